//! The table of S3's error codes: the status, the message and the details of each.
//!
//! Owns nothing else. `conformance/errors.toml` says when each is answered; a test compares it with this
//! table.

use http::StatusCode;

macro_rules! codes {
    ($($name:ident $status:literal $message:literal [$($detail:literal)*]),+ $(,)?) => {
        /// S3 API reference, "Error responses".
        #[derive(Debug, Clone, Copy, PartialEq, Eq)]
        pub enum ErrorCode { $($name),+ }

        impl ErrorCode {
            pub const ALL: &'static [ErrorCode] = &[$(ErrorCode::$name),+];

            pub fn as_str(self) -> &'static str {
                match self { $(Self::$name => stringify!($name)),+ }
            }

            pub fn status(self) -> StatusCode {
                let status = match self { $(Self::$name => $status),+ };
                StatusCode::from_u16(status).unwrap_or(StatusCode::INTERNAL_SERVER_ERROR)
            }

            pub fn message(self) -> &'static str {
                match self { $(Self::$name => $message),+ }
            }

            /// The elements that S3 gives with this code besides those of every error, as far as they are
            /// known, in this order.
            pub fn details(self) -> &'static [&'static str] {
                match self { $(Self::$name => &[$($detail),*]),+ }
            }
        }
    };
}

codes! {
    AccessDenied 403 "Access Denied" ["HeadersNotSigned" "HeadersNotPresent" "X-Amz-Expires" "Expires" "ServerTime"],
    AccessControlListNotSupported 400 "The bucket does not allow ACLs" [],
    AccessForbidden 403 "CORSResponse: CORS is not enabled for this bucket." ["Method" "ResourceType"],
    AuthorizationHeaderMalformed 400 "The authorization header that you provided is not valid." [],
    AuthorizationQueryParametersError 400 "The authorization query parameters that you provided are not valid." [],
    BadDigest 400 "The Content-MD5 or checksum value that you specified did not match what the server received." ["ExpectedDigest" "CalculatedDigest"],
    BadRequest 400 "Bad Request" [],
    BucketAlreadyExists 409 "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again." [],
    BucketAlreadyOwnedByYou 409 "The bucket that you tried to create already exists, and you own it." [],
    BucketNotEmpty 409 "The bucket that you tried to delete is not empty." [],
    ConditionalRequestConflict 409 "The conditional request cannot succeed due to a conflicting operation against this resource." ["Condition" "Key"],
    EntityTooLarge 400 "Your proposed upload exceeds the maximum allowed object size." ["ProposedSize" "MaxSizeAllowed"],
    EntityTooSmall 400 "Your proposed upload is smaller than the minimum allowed object size. Each part except the last must be at least 5 MB in size." ["ProposedSize" "MinSizeAllowed" "PartNumber" "ETag"],
    ExpiredToken 400 "The provided token has expired." [],
    IdMismatch 400 "Document ID does not match the specified configuration ID." [],
    IllegalLocationConstraintException 400 "The specified location constraint is not valid." [],
    IncompleteBody 400 "You did not provide the number of bytes specified by the Content-Length HTTP header." [],
    InternalError 500 "We encountered an internal error. Please try again." [],
    InvalidAccessKeyId 403 "The AWS access key ID that you provided does not exist in our records." ["AWSAccessKeyId"],
    InvalidArgument 400 "Invalid Argument" ["ArgumentName" "ArgumentValue"],
    InvalidBucketAclWithObjectOwnership 400 "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting" [],
    InvalidBucketName 400 "The specified bucket is not valid." [],
    InvalidBucketOwnerAWSAccountID 400 "The value of the expected bucket owner parameter must be an AWS account ID." [],
    InvalidDigest 400 "The Content-MD5 or checksum value that you specified is not valid." ["Content-MD5"],
    InvalidEncryptionAlgorithmError 400 "The encryption request that you specified is not valid." [],
    InvalidLocationConstraint 400 "The specified location constraint is not valid." ["LocationConstraint"],
    InvalidObjectState 403 "The operation is not valid for the current state of the object." ["StorageClass"],
    InvalidPart 400 "One or more of the specified parts could not be found. The part might not have been uploaded, or the specified entity tag might not have matched the part's entity tag." ["UploadId" "PartNumber" "ETag"],
    InvalidPartNumber 416 "The requested partnumber is not satisfiable" ["ActualPartCount" "PartNumberRequested"],
    InvalidPartOrder 400 "The list of parts was not in ascending order. Parts must be ordered by part number." ["UploadId"],
    InvalidPolicyDocument 400 "The content of the form does not meet the conditions specified in the policy document." [],
    InvalidRange 416 "The requested range is not satisfiable" ["RangeRequested" "ActualObjectSize"],
    InvalidRedirectLocation 400 "The website redirect location must have a prefix of 'http://' or 'https://' or '/'." [],
    InvalidRequest 400 "Invalid Request" [],
    InvalidStorageClass 400 "The storage class you specified is not valid" ["StorageClassRequested"],
    InvalidTag 400 "The tag provided was not a valid tag." ["TagKey" "TagValue"],
    InvalidToken 400 "The provided token is malformed or otherwise not valid." [],
    InvalidURI 400 "The specified URI couldn't be parsed." [],
    KeyTooLongError 400 "Your key is too long." ["Size" "MaxSizeAllowed"],
    MalformedACLError 400 "The ACL that you provided was not well formed or did not validate against our published schema." [],
    MalformedPOSTRequest 400 "The body of your POST request is not well-formed multipart/form-data." [],
    MalformedPolicy 400 "Policies must be valid JSON and the first byte must be '{'" [],
    MalformedTrailerError 400 "The request contained trailing data that was not well-formed or did not conform to our published schema." [],
    MalformedXML 400 "The XML that you provided was not well formed or did not validate against our published schema." [],
    MaxMessageLengthExceeded 400 "Your request was too large." ["MaxMessageLengthBytes"],
    MaxPostPreDataLengthExceededError 400 "Your POST request fields preceding the upload file were too large." ["MaxPostPreDataLengthBytes"],
    MetadataTooLarge 400 "Your metadata headers exceed the maximum allowed metadata size." ["Size" "MaxSizeAllowed"],
    MethodNotAllowed 405 "The specified method is not allowed against this resource." ["Method" "ResourceType"],
    MissingContentLength 411 "You must provide the Content-Length HTTP header." [],
    MissingRequestBodyError 400 "Request body is empty." [],
    MissingSecurityHeader 400 "Your request is missing a required header." ["MissingHeaderName"],
    NoSuchBucket 404 "The specified bucket does not exist." [],
    NoSuchBucketPolicy 404 "The bucket policy does not exist" [],
    NoSuchCORSConfiguration 404 "The CORS configuration does not exist" [],
    NoSuchConfiguration 404 "The specified configuration does not exist." [],
    NoSuchKey 404 "The specified key does not exist." ["Key"],
    NoSuchResource 404 "The specified resource doesn't exist." [],
    NoSuchPublicAccessBlockConfiguration 404 "The public access block configuration was not found" [],
    NoSuchTagSet 404 "The TagSet does not exist" [],
    NoSuchUpload 404 "The specified multipart upload does not exist. The upload ID might be invalid, or the multipart upload might have been aborted or completed." ["UploadId"],
    NoSuchVersion 404 "The specified version does not exist." ["Key" "VersionId"],
    NoSuchWebsiteConfiguration 404 "The specified bucket does not have a website configuration" [],
    NotImplemented 501 "A header or operation that you provided implies functionality that is not implemented." ["Header"],
    NotModified 304 "Not Modified" [],
    OperationAborted 409 "A conflicting conditional operation is currently in progress against this resource. Please try again." [],
    OwnershipControlsNotFoundError 404 "The bucket ownership controls were not found" [],
    PreconditionFailed 412 "At least one of the preconditions that you specified did not hold." ["Condition"],
    RequestTimeTooSkewed 403 "The difference between the request time and the server's time is too large." ["RequestTime" "ServerTime" "MaxAllowedSkewMilliseconds"],
    RequestTimeout 400 "Your socket connection to the server was not read from or written to within the timeout period." [],
    ServiceUnavailable 503 "Service is unable to handle request." [],
    SignatureDoesNotMatch 403 "The request signature that we calculated does not match the signature that you provided. Check your secret access key and signing method." ["AWSAccessKeyId" "StringToSign" "SignatureProvided" "CanonicalRequest"],
    SlowDown 503 "Please reduce your request rate." [],
    StorageFull 507 "The storage behind this bucket is full." [],
    TooManyConfigurations 400 "You are attempting to create a new configuration but have already reached the 1,000-configuration limit." [],
    UnexpectedContent 400 "This request contains unsupported content." [],
    UnresolvableGrantByEmailAddress 400 "The email address you provided does not match any account on record." [],
    XAmzContentSHA256Mismatch 400 "The provided 'x-amz-content-sha256' header does not match what was computed." ["ClientComputedContentSHA256" "S3ComputedContentSHA256"],
}
