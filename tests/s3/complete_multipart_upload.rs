//! CompleteMultipartUpload over the wire.

use super::uploads::{MIN_PART, Upload};
use crate::support::{Server, failure, get, is, put};
use aws_sdk_s3::types::{ChecksumAlgorithm, ChecksumMode, ChecksumType, CompletedPart};
use base64::{Engine, engine::general_purpose::STANDARD};
use md5::{Digest, Md5};

fn named(number: i32, etag: &str) -> CompletedPart {
    CompletedPart::builder().part_number(number).e_tag(etag).build()
}

#[tokio::test]
async fn parts_become_one_object_with_the_etag_of_s3() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    put(&client, &bucket, "a b/k", "before").await;
    let bodies = [vec![b'a'; MIN_PART], vec![b'b'; MIN_PART + 1], b"ccc".to_vec()];
    let upload = Upload::begin(&client, &bucket, "a b/k").await;
    let mut parts = Vec::new();
    // The parts are sent in another order than their numbers, which have gaps.
    for (number, body) in [(9, &bodies[2]), (2, &bodies[0]), (5, &bodies[1])] {
        parts.push(upload.part(number, body).await);
    }
    assert_eq!(get(&client, &bucket, "a b/k").await.as_deref(), Some(&b"before"[..]));
    parts.rotate_left(1);
    let done = upload.complete(&parts).send().await.expect("complete");
    let digests: Vec<u8> = bodies.iter().flat_map(Md5::digest).collect();
    let etag = format!("\"{}-3\"", hex::encode(Md5::digest(digests)));
    assert_eq!(
        (done.e_tag(), done.bucket(), done.key()),
        (Some(etag.as_str()), Some(bucket.as_str()), Some("a b/k"))
    );
    let location = format!("http://{}/{bucket}/a%20b/k", server.address());
    assert_eq!(done.location(), Some(location.as_str()));
    let whole = bodies.concat();
    assert!(get(&client, &bucket, "a b/k").await.as_ref() == Some(&whole));
    let listed = client.list_objects_v2().bucket(&bucket).send().await.expect("a page");
    assert_eq!(
        (listed.contents()[0].size(), listed.contents()[0].e_tag()),
        (Some(whole.len() as i64), Some(etag.as_str()))
    );
    let second =
        client.get_object().bucket(&bucket).key("a b/k").part_number(5).send().await.expect("a part");
    assert_eq!((second.content_length(), second.parts_count()), (Some(MIN_PART as i64 + 1), Some(3)));
}

/// Complete returns the checksum of the object, by the same rules by which HEAD shows it.
#[tokio::test]
async fn every_checksum_algorithm_sums_up_the_object() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let bodies = [vec![b'a'; MIN_PART], b"bbb".to_vec()];
    for algorithm in [
        ChecksumAlgorithm::Crc32,
        ChecksumAlgorithm::Crc32C,
        ChecksumAlgorithm::Crc64Nvme,
        ChecksumAlgorithm::Sha1,
        ChecksumAlgorithm::Sha256,
    ] {
        let upload = Upload::begin_with(&client, &bucket, "k", algorithm.clone()).await;
        let parts = [upload.part(1, &bodies[0]).await, upload.part(2, &bodies[1]).await];
        let done = upload.complete(&parts).send().await.expect("complete");
        let head = client
            .head_object()
            .bucket(&bucket)
            .key("k")
            .checksum_mode(ChecksumMode::Enabled)
            .send()
            .await
            .expect("head");
        let full = algorithm == ChecksumAlgorithm::Crc64Nvme;
        let kind = if full { ChecksumType::FullObject } else { ChecksumType::Composite };
        assert_eq!((done.checksum_type(), head.checksum_type()), (Some(&kind), Some(&kind)), "{algorithm}");
        let said = [
            done.checksum_crc32(),
            done.checksum_crc32_c(),
            done.checksum_crc64_nvme(),
            done.checksum_sha1(),
            done.checksum_sha256(),
        ];
        let shown = [
            head.checksum_crc32(),
            head.checksum_crc32_c(),
            head.checksum_crc64_nvme(),
            head.checksum_sha1(),
            head.checksum_sha256(),
        ];
        assert_eq!(said, shown, "{algorithm}");
        let [sum] = said.into_iter().flatten().collect::<Vec<_>>()[..] else {
            panic!("one checksum: {said:?}")
        };
        assert_eq!(sum.ends_with("-2"), !full, "{algorithm}: {sum}");
    }
}

#[tokio::test]
async fn a_composite_sha256_is_that_of_the_parts_sums() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin_with(&client, &bucket, "k", ChecksumAlgorithm::Sha256).await;
    let part = upload.part(1, vec![b'A'; 1024]).await;
    assert_eq!(part.checksum_sha256(), Some("arcu6553sHVAiX4MjW0j7I7vD4w6R+Gz9Ok0Q9lTa+0="));
    let sum = "Ok6Cs5b96ux6+MWQkJO7UBT5sKPBeXBLwvj/hK89smg=-1";
    let complete = || upload.complete(std::slice::from_ref(&part));
    for wrong in ["bad", "arcu6553sHVAiX4MjW0j7I7vD4w6R+Gz9Ok0Q9lTa+0=-1"] {
        assert_eq!(failure(complete().checksum_sha256(wrong).send().await), is(400, "BadDigest"), "{wrong}");
    }
    assert_eq!(get(&client, &bucket, "k").await, None);
    let done = complete()
        .checksum_sha256(sum)
        .checksum_type(ChecksumType::Composite)
        .send()
        .await
        .expect("complete");
    assert_eq!(done.checksum_sha256(), Some(sum));
}

#[tokio::test]
async fn a_full_object_crc32_is_that_of_the_whole() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let begin = client
        .create_multipart_upload()
        .bucket(&bucket)
        .key("k")
        .checksum_algorithm(ChecksumAlgorithm::Crc32);
    let id =
        begin.checksum_type(ChecksumType::FullObject).send().await.expect("begun").upload_id.expect("an id");
    let upload = Upload {
        client: client.clone(),
        bucket: bucket.clone(),
        key: "k".into(),
        id,
        algorithm: Some(ChecksumAlgorithm::Crc32),
    };
    let bodies = [vec![b'a'; MIN_PART], b"bbb".to_vec()];
    let parts = [upload.part(1, &bodies[0]).await, upload.part(2, &bodies[1]).await];
    let sum = STANDARD.encode(
        &crc_fast::checksum(crc_fast::CrcAlgorithm::Crc32IsoHdlc, &bodies.concat()).to_be_bytes()[4..],
    );
    let composite = upload.complete(&parts).checksum_type(ChecksumType::Composite).send().await;
    assert_eq!(failure(composite), is(400, "InvalidRequest"));
    let done = upload
        .complete(&parts)
        .checksum_crc32(&sum)
        .checksum_type(ChecksumType::FullObject)
        .send()
        .await
        .expect("complete");
    assert_eq!(
        (done.checksum_crc32(), done.checksum_type()),
        (Some(sum.as_str()), Some(&ChecksumType::FullObject))
    );
}

/// Each list is refused with its code; the upload still exists, and nothing is published.
#[tokio::test]
async fn lists_that_do_not_fit_the_upload_are_refused() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin_with(&client, &bucket, "k", ChecksumAlgorithm::Sha256).await;
    let small = upload.part(1, "too small").await;
    let last = upload.part(2, "last").await;
    let other_sum = CompletedPart::builder()
        .part_number(1)
        .set_e_tag(small.e_tag.clone())
        .set_checksum_sha256(last.checksum_sha256.clone());
    let summed = |number: i32, etag: &str| {
        CompletedPart::builder()
            .part_number(number)
            .e_tag(etag)
            .set_checksum_sha256(small.checksum_sha256.clone())
            .build()
    };
    let cases = [
        ("wrong ETag", vec![summed(1, "ffffffffffffffffffffffffffffffff")], (400, "InvalidPart")),
        ("never sent", vec![summed(9999, small.e_tag().unwrap_or_default())], (400, "InvalidPart")),
        ("wrong checksum", vec![other_sum.build()], (400, "InvalidPart")),
        ("descending", vec![last.clone(), small.clone()], (400, "InvalidPartOrder")),
        ("repeated", vec![small.clone(), small.clone()], (400, "InvalidPartOrder")),
        ("too small", vec![small.clone(), last.clone()], (400, "EntityTooSmall")),
        ("no digest", vec![named(1, small.e_tag().unwrap_or_default())], (400, "InvalidRequest")),
        ("no such number", vec![named(10_001, "x")], (400, "InvalidArgument")),
        ("nothing", vec![], (400, "MalformedXML")),
    ];
    for (name, parts, (status, code)) in cases {
        assert_eq!(failure(upload.complete(&parts).send().await), is(status, code), "{name}");
    }
    for body in ["", "<CompleteMultipartUpload>", "<Delete/>"] {
        assert_eq!(
            server.raw().post(upload.target(), body).send().failure(),
            is(400, "MalformedXML"),
            "{body}"
        );
    }
    for (name, value) in [
        ("x-amz-mp-object-size", "99"),
        ("x-amz-mp-object-size", "x"),
        ("x-amz-checksum-type", "FULL_OBJECT"),
    ] {
        let (etag, sum) = (small.e_tag().unwrap_or_default(), small.checksum_sha256().unwrap_or_default());
        let part =
            format!("<PartNumber>1</PartNumber><ETag>{etag}</ETag><ChecksumSHA256>{sum}</ChecksumSHA256>");
        let body = format!("<CompleteMultipartUpload><Part>{part}</Part></CompleteMultipartUpload>");
        assert_eq!(
            server.raw().post(upload.target(), body).header(name, value).send().failure(),
            is(400, "InvalidRequest"),
            "{name}"
        );
    }
    assert_eq!(get(&client, &bucket, "k").await, None);
    upload.complete(&[small]).mpu_object_size(9).send().await.expect("the upload is still there");
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"too small"[..]));
}

#[tokio::test]
async fn a_refused_list_names_the_part_that_is_wrong() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    let etags = [upload.part(1, "too small").await, upload.part(2, "last").await]
        .map(|part| part.e_tag.expect("an ETag").replace('"', ""));
    let complete = |parts: &[(u16, &str)]| {
        let part = |(number, etag): &(u16, &str)| {
            format!("<Part><PartNumber>{number}</PartNumber><ETag>{etag}</ETag></Part>")
        };
        let list: String = parts.iter().map(part).collect();
        server
            .raw()
            .post(upload.target(), format!("<CompleteMultipartUpload>{list}</CompleteMultipartUpload>"))
            .send()
    };
    let absent = complete(&[(1, &etags[0]), (3, "abc")]);
    assert_eq!(absent.failure(), is(400, "InvalidPart"));
    for (element, value) in [("UploadId", upload.id.as_str()), ("PartNumber", "3"), ("ETag", "abc")] {
        assert_eq!(absent.element(element).as_deref(), Some(value), "{element}");
    }
    let small = complete(&[(1, &etags[0]), (2, &etags[1])]);
    assert_eq!(small.failure(), is(400, "EntityTooSmall"));
    for (element, value) in [
        ("ProposedSize", "9"),
        ("MinSizeAllowed", "5242880"),
        ("PartNumber", "1"),
        ("ETag", etags[0].as_str()),
    ] {
        assert_eq!(small.element(element).as_deref(), Some(value), "{element}");
    }
}

/// A composite checksum is verified with the checksums of the parts in the list; a full one only with the
/// object's own checksum.
#[tokio::test]
async fn an_upload_for_a_composite_checksum_needs_the_digest_of_every_part() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin_with(&client, &bucket, "k", ChecksumAlgorithm::Sha256).await;
    let part = upload.part(1, "x").await;
    let bare = named(1, part.e_tag().expect("an ETag"));
    let refused =
        upload.complete(std::slice::from_ref(&bare)).send().await.expect_err("refused").into_service_error();
    let words = refused.meta().message().unwrap_or_default().to_owned();
    assert!(words.contains("sha256") && words.contains("missing for part 1"), "{words}");
    upload.complete(&[part]).send().await.expect("complete");
    let upload = Upload::begin_with(&client, &bucket, "k", ChecksumAlgorithm::Crc64Nvme).await;
    let part = upload.part(1, "x").await;
    upload
        .complete(&[named(1, part.e_tag().expect("an ETag"))])
        .send()
        .await
        .expect("a full checksum needs none of parts");
}

#[tokio::test]
async fn repeating_a_complete_answers_the_same_again() {
    let mut server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin_with(&client, &bucket, "k", ChecksumAlgorithm::Sha1).await;
    let parts = [upload.part(1, vec![b'a'; MIN_PART]).await, upload.part(2, "b").await];
    let first = upload.complete(&parts).send().await.expect("complete");
    let again = upload.complete(&parts).send().await.expect("complete");
    server.restart();
    let upload = Upload { client: server.client(), ..upload };
    let later = upload.complete(&parts).send().await.expect("complete");
    for repeated in [again, later] {
        assert_eq!((repeated.e_tag(), repeated.checksum_sha1()), (first.e_tag(), first.checksum_sha1()));
    }
    let unknown = Upload { id: "unknown".into(), ..upload };
    assert_eq!(failure(unknown.complete(&parts).send().await), is(404, "NoSuchUpload"));
}

#[tokio::test]
async fn conditions_hold_when_the_object_is_published() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let (first, second) =
        (Upload::begin(&client, &bucket, "k").await, Upload::begin(&client, &bucket, "k").await);
    let (a, b) = ([first.part(1, "a").await], [second.part(1, "b").await]);
    assert_eq!(failure(first.complete(&a).if_match("\"x\"").send().await), is(404, "NoSuchKey"));
    first.complete(&a).if_none_match("*").send().await.expect("the key was free");
    assert_eq!(failure(second.complete(&b).if_none_match("*").send().await), is(412, "PreconditionFailed"));
    assert_eq!(failure(second.complete(&b).if_match("\"x\"").send().await), is(412, "PreconditionFailed"));
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"a"[..]));
    let etag =
        client.head_object().bucket(&bucket).key("k").send().await.expect("head").e_tag.expect("an ETag");
    second.complete(&b).if_match(etag).send().await.expect("it is the object we know");
    assert_eq!(get(&client, &bucket, "k").await.as_deref(), Some(&b"b"[..]));
}

#[tokio::test]
async fn of_16_concurrent_completes_of_one_key_one_wins() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let mut uploads = Vec::new();
    for writer in 0..16 {
        let upload = Upload::begin(&client, &bucket, "k").await;
        let part = upload.part(1, writer.to_string()).await;
        uploads.push((writer, upload, part));
    }
    let completes = uploads.iter().map(|(writer, upload, part)| async move {
        (*writer, upload.complete(std::slice::from_ref(part)).if_none_match("*").send().await)
    });
    let outcomes = futures_util::future::join_all(completes).await;
    let winners: Vec<_> =
        outcomes.iter().filter(|(_, outcome)| outcome.is_ok()).map(|(writer, _)| *writer).collect();
    assert_eq!(winners.len(), 1, "{winners:?}");
    assert_eq!(get(&client, &bucket, "k").await, Some(winners[0].to_string().into_bytes()));
    for (_, outcome) in outcomes.into_iter().filter(|(_, outcome)| outcome.is_err()) {
        assert_eq!(failure(outcome), is(412, "PreconditionFailed"));
    }
}

#[tokio::test]
async fn the_list_of_ten_thousand_parts_is_read() {
    let server = Server::start();
    let client = server.client();
    let bucket = server.bucket(&client).await;
    let upload = Upload::begin(&client, &bucket, "k").await;
    upload.part(1, "x").await;
    let parts: Vec<_> =
        (1..=10_000).map(|number| named(number, "9dd4e461268c8034f5c8564e155c67a6")).collect();
    // The list is read, but names parts that were never sent.
    assert_eq!(failure(upload.complete(&parts).send().await), is(400, "InvalidPart"));
    let body = vec![b' '; 9 << 20];
    assert_eq!(
        server.raw().post(upload.target(), body).send().failure(),
        is(400, "MaxMessageLengthExceeded")
    );
}
