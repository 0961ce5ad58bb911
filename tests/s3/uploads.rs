//! Uploads for the tests of the multipart operations.

use aws_sdk_s3::{
    Client,
    types::{ChecksumAlgorithm, CompletedMultipartUpload, CompletedPart},
};

/// The minimum size of a part that is not the last.
pub const MIN_PART: usize = 5 << 20;

/// An upload in progress.
#[derive(Debug, Clone)]
pub struct Upload {
    pub client: Client,
    pub bucket: String,
    pub key: String,
    pub id: String,
    /// The algorithm of the parts, if the upload has one. Without it, the SDK would add another one by
    /// itself.
    pub algorithm: Option<ChecksumAlgorithm>,
}

impl Upload {
    pub async fn begin(client: &Client, bucket: &str, key: &str) -> Self {
        Self::begun(client, bucket, key, None).await
    }

    pub async fn begin_with(client: &Client, bucket: &str, key: &str, algorithm: ChecksumAlgorithm) -> Self {
        Self::begun(client, bucket, key, Some(algorithm)).await
    }

    async fn begun(client: &Client, bucket: &str, key: &str, algorithm: Option<ChecksumAlgorithm>) -> Self {
        let begin = client
            .create_multipart_upload()
            .bucket(bucket)
            .key(key)
            .set_checksum_algorithm(algorithm.clone());
        let id = begin.send().await.expect("an upload").upload_id.expect("an id");
        Self { client: client.clone(), bucket: bucket.to_owned(), key: key.to_owned(), id, algorithm }
    }

    /// Sends a part, and returns what Complete has to name.
    pub async fn part(&self, number: i32, body: impl AsRef<[u8]>) -> CompletedPart {
        let part = self
            .client
            .upload_part()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .part_number(number);
        let part = part.set_checksum_algorithm(self.algorithm.clone());
        let part = part.body(body.as_ref().to_vec().into()).send().await.expect("a part");
        CompletedPart::builder()
            .part_number(number)
            .set_e_tag(part.e_tag)
            .set_checksum_crc32(part.checksum_crc32)
            .set_checksum_crc32_c(part.checksum_crc32_c)
            .set_checksum_crc64_nvme(part.checksum_crc64_nvme)
            .set_checksum_sha1(part.checksum_sha1)
            .set_checksum_sha256(part.checksum_sha256)
            .build()
    }

    pub fn complete(
        &self,
        parts: &[CompletedPart],
    ) -> aws_sdk_s3::operation::complete_multipart_upload::builders::CompleteMultipartUploadFluentBuilder
    {
        let list = CompletedMultipartUpload::builder().set_parts(Some(parts.to_vec())).build();
        self.client
            .complete_multipart_upload()
            .bucket(&self.bucket)
            .key(&self.key)
            .upload_id(&self.id)
            .multipart_upload(list)
    }

    /// Path and query of the upload.
    pub fn target(&self) -> String {
        format!("/{}/{}?uploadId={}", self.bucket, self.key, self.id)
    }
}
