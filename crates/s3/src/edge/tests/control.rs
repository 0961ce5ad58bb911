//! Requests of the control plane, by any name of the host.

use super::*;
use crate::s3::Operation;

#[test]
fn a_request_of_the_control_plane_is_told_by_its_path_and_header_whatever_its_host() {
    for host in ["127.0.0.1:9000", "729073240738.s3-control.s3.example.com", "729073240738.localhost"] {
        let draft = Draft::new("GET", "/v20180820/tags/arn:aws:s3:::photos").header("host", host);
        let request = admit(draft.header("x-amz-account-id", "729073240738").build()).expect("admitted");
        assert_eq!(request.target.bucket.as_deref(), Some("photos"), "{host}");
        assert_eq!(request.target.control.as_deref(), Some("tags/arn:aws:s3:::photos"), "{host}");
        assert_eq!(request.context.operation, Some(Operation::ListTagsForResource), "{host}");
    }
}
