//! GetBucketLocation over the wire.

use crate::support::Server;

#[tokio::test]
async fn a_location_is_remembered_and_us_east_1_is_empty() {
    let server = Server::start();
    let raw = server.raw();
    for (name, location, shown, region) in [
        ("default", "", "", "us-east-1"),
        ("eur", "EU", "EU", "eu-west-1"),
        ("north", "eu-north-1", "eu-north-1", "eu-north-1"),
    ] {
        let body = match location {
            "" => String::new(),
            _ => format!(
                "<CreateBucketConfiguration><LocationConstraint>{location}</LocationConstraint></CreateBucketConfiguration>"
            ),
        };
        assert_eq!(raw.put(format!("/{name}"), body).send().status, 200, "{name}");
        let reply = raw.get(format!("/{name}?location")).send();
        let element = format!(
            "<LocationConstraint xmlns=\"http://s3.amazonaws.com/doc/2006-03-01/\">{shown}</LocationConstraint>"
        );
        assert!(reply.text().ends_with(&element), "{}", reply.text());
        assert_eq!(
            raw.request("HEAD", format!("/{name}")).send().header("x-amz-bucket-region"),
            Some(region)
        );
    }
}
