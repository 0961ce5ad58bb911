// AWS SDK for JavaScript v3 with its defaults, and `fetch` of Node.js for presigned URLs.

import assert from "node:assert/strict";
import { randomBytes } from "node:crypto";
import { Readable } from "node:stream";

import {
  CompleteMultipartUploadCommand,
  CopyObjectCommand,
  CreateBucketCommand,
  CreateMultipartUploadCommand,
  DeleteBucketCommand,
  DeleteObjectCommand,
  DeleteObjectsCommand,
  GetObjectCommand,
  HeadObjectCommand,
  ListBucketsCommand,
  NoSuchKey,
  NotFound,
  paginateListObjectsV2,
  PutObjectCommand,
  S3Client,
  UploadPartCommand,
} from "@aws-sdk/client-s3";
import { Upload } from "@aws-sdk/lib-storage";
import { getSignedUrl } from "@aws-sdk/s3-request-presigner";

import { bucketName, check, endpoint, finish, refusal } from "./scenario.mjs";

const region = process.env.AWS_DEFAULT_REGION;
const s3 = new S3Client({ endpoint, region, forcePathStyle: true });
const stranger = new S3Client({
  endpoint,
  region,
  forcePathStyle: true,
  credentials: { accessKeyId: process.env.AWS_ACCESS_KEY_ID, secretAccessKey: "not-the-secret-of-anybody" },
});
const Bucket = bucketName("aws-sdk-js");
const ODD = "dir with blank/plus+ü&日本=?.txt";
const REFUSED_BYTES = 20 << 20;

const put = (Key, Body, more = {}) => s3.send(new PutObjectCommand({ Bucket, Key, Body, ...more }));
const text = async (Key) => (await s3.send(new GetObjectCommand({ Bucket, Key }))).Body.transformToString();

async function keys(more = {}) {
  const found = [];
  for await (const page of paginateListObjectsV2({ client: s3, pageSize: 7 }, { Bucket, ...more })) {
    found.push(...(page.Contents ?? []).map((object) => object.Key));
  }
  return found;
}

await check("CreateBucket makes a bucket that ListBuckets shows", async () => {
  await s3.send(new CreateBucketCommand({ Bucket }));
  const { Buckets } = await s3.send(new ListBucketsCommand({}));
  assert(Buckets.some((bucket) => bucket.Name === Bucket));
});

await check("PutObject and GetObject keep bytes and type under an odd key", async () => {
  await put(ODD, "grün", { ContentType: "text/x-odd" });
  const answer = await s3.send(new GetObjectCommand({ Bucket, Key: ODD, ChecksumMode: "ENABLED" }));
  assert.equal(await answer.Body.transformToString(), "grün");
  assert.equal(answer.ContentType, "text/x-odd");
  assert(answer.ChecksumCRC32, "the checksum that the SDK adds by default is not told");
});

await check("metadata outside ASCII, as an encoded word, comes back as such", async () => {
  // Node.js sends no header with characters beyond Latin-1 by itself: S3's documentation has them encoded by RFC 2047.
  const note = `=?UTF-8?B?${Buffer.from("grün 日本").toString("base64")}?=`;
  await put("metadata", "", { Metadata: { note, plain: "ascii" } });
  const { Metadata } = await s3.send(new HeadObjectCommand({ Bucket, Key: "metadata" }));
  assert.equal(Metadata.plain, "ascii");
  const [, charset, encoding, words] = /^=\?(.*?)\?(.)\?(.*)\?=$/.exec(Metadata.note);
  assert.deepEqual([charset.toUpperCase(), encoding.toUpperCase()], ["UTF-8", "B"]);
  assert.equal(Buffer.from(words, "base64").toString(), "grün 日本");
});

await check("metadata in Latin-1, which Node.js sends as one byte a character, is the text that was signed", async () => {
  await put("latin1", "body", { Metadata: { note: "café ÿ" } });
  const { Metadata } = await s3.send(new HeadObjectCommand({ Bucket, Key: "latin1" }));
  const [, words] = /^=\?UTF-8\?B\?(.*)\?=$/.exec(Metadata.note);
  assert.equal(Buffer.from(words, "base64").toString(), "café ÿ");
});

await check("Upload sends 17 MiB in parts, which GetObject streams back", async () => {
  const Body = randomBytes(17 << 20);
  const done = await new Upload({ client: s3, params: { Bucket, Key: "large", Body } }).done();
  assert.match(done.ETag, /-4"$/);
  const { Body: back } = await s3.send(new GetObjectCommand({ Bucket, Key: "large" }));
  assert(Body.equals(await back.transformToByteArray()), "other bytes came back");
});

await check("UploadPart and CompleteMultipartUpload work as single commands", async () => {
  const { UploadId } = await s3.send(new CreateMultipartUploadCommand({ Bucket, Key: "parts" }));
  const part = { Bucket, Key: "parts", UploadId, PartNumber: 1 };
  const { ETag, ChecksumCRC32 } = await s3.send(new UploadPartCommand({ ...part, Body: "one part" }));
  const MultipartUpload = { Parts: [{ PartNumber: 1, ETag, ChecksumCRC32 }] };
  await s3.send(new CompleteMultipartUploadCommand({ Bucket, Key: "parts", UploadId, MultipartUpload }));
  assert.equal(await text("parts"), "one part");
});

await check("a stream of known length is uploaded in chunks with a trailer", async () => {
  await put("stream", Readable.from([Buffer.from("streamed "), Buffer.from("in pieces")]), { ContentLength: 18 });
  assert.equal(await text("stream"), "streamed in pieces");
});

await check("CopyObject takes an odd key as its source", async () => {
  const CopySource = `${Bucket}/${ODD.split("/").map(encodeURIComponent).join("/")}`;
  await s3.send(new CopyObjectCommand({ Bucket, Key: "copy", CopySource }));
  assert.equal(await text("copy"), "grün");
});

await check("ListObjectsV2 pages through every key in order, and groups by delimiter", async () => {
  const written = Array.from({ length: 20 }, (_, number) => `many/${String(number).padStart(2, "0")} ü`);
  await Promise.all(written.map((key) => put(key, key)));
  assert.deepEqual(await keys({ Prefix: "many/" }), written);
  const groups = [];
  for await (const page of paginateListObjectsV2({ client: s3 }, { Bucket, Delimiter: "/" })) {
    groups.push(...page.CommonPrefixes.map((group) => group.Prefix));
  }
  assert.deepEqual(groups, ["dir with blank/", "many/"]);
});

await check("IfNoneMatch '*' writes once, and the second time is PreconditionFailed", async () => {
  await put("once", "first", { IfNoneMatch: "*" });
  const error = await refusal(() => put("once", "second", { IfNoneMatch: "*" }));
  assert.equal(error.name, "PreconditionFailed");
  assert.equal(error.$metadata.httpStatusCode, 412);
  assert.equal(error.Condition, "If-None-Match", JSON.stringify(error));
  assert.equal(await text("once"), "first");
});

await check("Upload holds an upload in parts to IfNoneMatch '*'", async () => {
  const params = { Bucket, Key: "once", Body: Buffer.alloc(11 << 20), IfNoneMatch: "*" };
  const error = await refusal(() => new Upload({ client: s3, params }).done());
  assert.deepEqual([error.name, error.$metadata?.httpStatusCode], ["PreconditionFailed", 412], error.message);
  assert.equal(await text("once"), "first");
});

await check("a missing key is NoSuchKey for GetObject and NotFound for HeadObject", async () => {
  const missing = { Bucket, Key: "none" };
  assert((await refusal(() => s3.send(new GetObjectCommand(missing)))) instanceof NoSuchKey);
  assert((await refusal(() => s3.send(new HeadObjectCommand(missing)))) instanceof NotFound);
});

await check("presigned URLs of PutObject and GetObject work with fetch", async () => {
  const url = await getSignedUrl(s3, new PutObjectCommand({ Bucket, Key: "pre +ü" }), { expiresIn: 60 });
  const sent = await fetch(url, { method: "PUT", body: "presigned" });
  assert.equal(sent.status, 200, await sent.text());
  const answer = await fetch(await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "pre +ü" })));
  assert.equal(await answer.text(), "presigned");
});

await check("a presigned PUT with a condition and a type is held to both", async () => {
  const command = new PutObjectCommand({ Bucket, Key: "pre +ü", IfNoneMatch: "*", ContentType: "text/x-odd" });
  const url = await getSignedUrl(s3, command, {
    unhoistableHeaders: new Set(["if-none-match"]),
    signableHeaders: new Set(["content-type", "host"]),
  });
  const headers = { "If-None-Match": "*", "Content-Type": "text/x-odd" };
  const refused = await fetch(url, { method: "PUT", body: "again", headers });
  assert.equal(refused.status, 412, await refused.text());
  headers["Content-Type"] = "text/other";
  const other = await fetch(url, { method: "PUT", body: "again", headers });
  assert.equal(other.status, 403, "another type than was signed");
  assert.match(await other.text(), /<Code>SignatureDoesNotMatch<\/Code>/);
});

await check("a presigned URL that was tampered with is refused", async () => {
  const url = await getSignedUrl(s3, new GetObjectCommand({ Bucket, Key: "once" }), { expiresIn: 60 });
  const answer = await fetch(url.replace("X-Amz-Expires=60", "X-Amz-Expires=61"));
  assert.equal(answer.status, 403);
  assert.match(await answer.text(), /<Code>SignatureDoesNotMatch<\/Code>/);
});

await check("a PUT of 20 MiB with a wrong secret is SignatureDoesNotMatch, which the client reads", async () => {
  const command = new PutObjectCommand({ Bucket, Key: "refused", Body: Buffer.alloc(REFUSED_BYTES) });
  const error = await refusal(() => stranger.send(command));
  assert.deepEqual([error.name, error.$metadata.httpStatusCode], ["SignatureDoesNotMatch", 403]);
});

await check("a PUT of 20 MiB that asks for what is not there is NotImplemented, which the client reads", async () => {
  const error = await refusal(() => put("refused", Buffer.alloc(REFUSED_BYTES), { ServerSideEncryption: "aws:kms" }));
  assert.deepEqual([error.name, error.$metadata.httpStatusCode], ["NotImplemented", 501]);
});

await check("fetch reads the refusal of a presigned PUT of 20 MiB", async () => {
  const url = await getSignedUrl(stranger, new PutObjectCommand({ Bucket, Key: "refused" }));
  const answer = await fetch(url, { method: "PUT", body: Buffer.alloc(REFUSED_BYTES) });
  assert.equal(answer.status, 403);
  assert.match(await answer.text(), /<Code>SignatureDoesNotMatch<\/Code>/);
});

await check("DeleteObject, DeleteObjects and DeleteBucket leave nothing", async () => {
  assert(!(await keys()).includes("refused"), "a refused upload left an object");
  await s3.send(new DeleteObjectCommand({ Bucket, Key: ODD }));
  const Objects = (await keys()).map((Key) => ({ Key }));
  const { Deleted, Errors } = await s3.send(new DeleteObjectsCommand({ Bucket, Delete: { Objects } }));
  assert.equal(Deleted.length, Objects.length);
  assert.equal(Errors, undefined);
  await s3.send(new DeleteBucketCommand({ Bucket }));
});

finish();
