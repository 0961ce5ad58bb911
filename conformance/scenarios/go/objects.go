// AWS SDK for Go v2 with its defaults, and `net/http` for presigned URLs.
package main

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"mime"
	"net/http"
	"net/url"
	"os"
	"slices"
	"strings"
	"time"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials"
	"github.com/aws/aws-sdk-go-v2/feature/s3/manager"
	"github.com/aws/aws-sdk-go-v2/service/s3"
	"github.com/aws/aws-sdk-go-v2/service/s3/types"
	"github.com/aws/smithy-go"
)

const (
	odd          = "dir with blank/plus+ü&日本=?.txt"
	note         = "grün 日本"
	refusedBytes = 20 << 20
)

var (
	ctx    = context.Background()
	bucket = aws.String(bucketName("aws-sdk-go"))
)

func main() {
	if os.Getenv("CONFORMANCE_PROGRAM") == "web-identity" {
		webIdentity()
		finish()
		return
	}
	settings, err := config.LoadDefaultConfig(ctx)
	if err != nil {
		panic(err)
	}
	ours := func(options *s3.Options) {
		options.BaseEndpoint = aws.String(os.Getenv("CONFORMANCE_ENDPOINT"))
		options.UsePathStyle = true
	}
	nobody := credentials.NewStaticCredentialsProvider(os.Getenv("AWS_ACCESS_KEY_ID"), "not-the-secret-of-anybody", "")
	client := s3.NewFromConfig(settings, ours)
	stranger := s3.NewFromConfig(settings, ours, func(options *s3.Options) { options.Credentials = nobody })
	objects(client)
	conditions(client)
	presigned(s3.NewPresignClient(client))
	refusals(client, stranger)
	removal(client)
	finish()
}

func put(client *s3.Client, key string, body []byte, more ...func(*s3.PutObjectInput)) error {
	input := &s3.PutObjectInput{Bucket: bucket, Key: &key, Body: bytes.NewReader(body)}
	for _, change := range more {
		change(input)
	}
	_, err := client.PutObject(ctx, input)
	return err
}

func get(client *s3.Client, key string) ([]byte, error) {
	answer, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: &key})
	if err != nil {
		return nil, err
	}
	defer answer.Body.Close()
	return io.ReadAll(answer.Body)
}

func holds(client *s3.Client, key, wanted string) error {
	found, err := get(client, key)
	return first(err, same(string(found), wanted))
}

func keys(client *s3.Client, prefix string) (found []string, err error) {
	input := &s3.ListObjectsV2Input{Bucket: bucket, Prefix: &prefix, MaxKeys: aws.Int32(7)}
	for pages := s3.NewListObjectsV2Paginator(client, input); pages.HasMorePages(); {
		page, err := pages.NextPage(ctx)
		if err != nil {
			return nil, err
		}
		for _, object := range page.Contents {
			found = append(found, *object.Key)
		}
	}
	return found, nil
}

// refusal wants this code of S3 under this status.
func refusal(err error, status int, code string) error {
	var answer *awshttp.ResponseError
	var said smithy.APIError
	if !errors.As(err, &answer) || !errors.As(err, &said) {
		return fmt.Errorf("wanted %d %s, found %v", status, code, err)
	}
	return first(same(said.ErrorCode(), code), same(answer.HTTPStatusCode(), status))
}

func objects(client *s3.Client) {
	check("CreateBucket makes a bucket that ListBuckets shows", func() error {
		if _, err := client.CreateBucket(ctx, &s3.CreateBucketInput{Bucket: bucket}); err != nil {
			return err
		}
		listed, err := client.ListBuckets(ctx, &s3.ListBucketsInput{})
		if err != nil {
			return err
		}
		shown := slices.ContainsFunc(listed.Buckets, func(one types.Bucket) bool { return *one.Name == *bucket })
		return same(shown, true)
	})
	check("PutObject and GetObject keep bytes, type and checksum under an odd key", func() error {
		typed := func(input *s3.PutObjectInput) { input.ContentType = aws.String("text/x-odd") }
		if err := put(client, odd, []byte("grün"), typed); err != nil {
			return err
		}
		head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String(odd), ChecksumMode: types.ChecksumModeEnabled})
		if err != nil {
			return err
		}
		told := aws.ToString(head.ChecksumCRC32) != ""
		return first(holds(client, odd, "grün"), same(*head.ContentType, "text/x-odd"), same(told, true))
	})
	check("metadata outside ASCII comes back as an encoded word", func() error {
		described := func(input *s3.PutObjectInput) { input.Metadata = map[string]string{"note": note, "plain": "ascii"} }
		if err := put(client, "metadata", nil, described); err != nil {
			return err
		}
		head, err := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("metadata")})
		if err != nil {
			return err
		}
		decoded, err := new(mime.WordDecoder).DecodeHeader(head.Metadata["note"])
		return first(err, same(decoded, note), same(head.Metadata["plain"], "ascii"))
	})
	check("the upload manager sends 17 MiB in parts, which the download manager brings back", func() error {
		body := make([]byte, 17<<20)
		_, _ = rand.Read(body)
		input := &s3.PutObjectInput{Bucket: bucket, Key: aws.String("large"), Body: bytes.NewReader(body)}
		done, err := manager.NewUploader(client).Upload(ctx, input)
		if err != nil {
			return err
		}
		back := manager.NewWriteAtBuffer(nil)
		_, err = manager.NewDownloader(client).Download(ctx, back, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("large")})
		return first(err, same(strings.HasSuffix(aws.ToString(done.ETag), `-4"`), true), same(bytes.Equal(back.Bytes(), body), true))
	})
	check("a stream of unknown length goes up by the upload manager", func() error {
		input := &s3.PutObjectInput{Bucket: bucket, Key: aws.String("stream"), Body: io.MultiReader(strings.NewReader("in "), strings.NewReader("pieces"))}
		_, err := manager.NewUploader(client).Upload(ctx, input)
		return first(err, holds(client, "stream", "in pieces"))
	})
	check("CopyObject takes an odd key as its source", func() error {
		source := *bucket + "/" + strings.ReplaceAll(url.QueryEscape(odd), "+", "%20")
		_, err := client.CopyObject(ctx, &s3.CopyObjectInput{Bucket: bucket, Key: aws.String("copy"), CopySource: &source})
		return first(err, holds(client, "copy", "grün"))
	})
	check("ListObjectsV2 pages through every key in order", func() error {
		var written []string
		for number := range 20 {
			key := fmt.Sprintf("many/%02d ü", number)
			if err := put(client, key, []byte(key)); err != nil {
				return err
			}
			written = append(written, key)
		}
		found, err := keys(client, "many/")
		return first(err, same(strings.Join(found, "\n"), strings.Join(written, "\n")))
	})
}

func conditions(client *s3.Client) {
	create := func(input *s3.PutObjectInput) { input.IfNoneMatch = aws.String("*") }
	check("IfNoneMatch '*' writes once, and the second time is PreconditionFailed", func() error {
		if err := put(client, "once", []byte("first"), create); err != nil {
			return err
		}
		second := put(client, "once", []byte("second"), create)
		return first(refusal(second, 412, "PreconditionFailed"), holds(client, "once", "first"))
	})
	check("the upload manager holds an upload in parts to IfNoneMatch '*'", func() error {
		input := &s3.PutObjectInput{Bucket: bucket, Key: aws.String("once"), Body: bytes.NewReader(make([]byte, 11<<20))}
		create(input)
		_, err := manager.NewUploader(client).Upload(ctx, input)
		return first(refusal(err, 412, "PreconditionFailed"), holds(client, "once", "first"))
	})
	check("a missing key is NoSuchKey for GetObject and NotFound for HeadObject", func() error {
		_, err := client.GetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: aws.String("none")})
		var noSuchKey *types.NoSuchKey
		_, head := client.HeadObject(ctx, &s3.HeadObjectInput{Bucket: bucket, Key: aws.String("none")})
		var notFound *types.NotFound
		return first(same(errors.As(err, &noSuchKey), true), same(errors.As(head, &notFound), true))
	})
}

// send is a request by a presigned URL: status and body.
func send(method, url string, signed http.Header, body []byte) (int, string, error) {
	request, err := http.NewRequest(method, url, bytes.NewReader(body))
	if err != nil {
		return 0, "", err
	}
	for name, values := range signed {
		if name != "Host" && name != "Content-Length" {
			request.Header[name] = values
		}
	}
	answer, err := http.DefaultClient.Do(request)
	if err != nil {
		return 0, "", err
	}
	defer answer.Body.Close()
	text, err := io.ReadAll(answer.Body)
	return answer.StatusCode, string(text), err
}

func presigned(signer *s3.PresignClient) {
	key := aws.String("pre +ü")
	check("presigned URLs of PutObject and GetObject work with net/http", func() error {
		body := []byte("presigned")
		write, err := signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: key}, s3.WithPresignExpires(time.Minute))
		if err != nil {
			return err
		}
		status, said, err := send("PUT", write.URL, write.SignedHeader, body)
		if err := first(err, same(status, 200)); err != nil {
			return fmt.Errorf("%w: %s", err, said)
		}
		read, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key})
		if err != nil {
			return err
		}
		status, said, err = send("GET", read.URL, read.SignedHeader, nil)
		return first(err, same(status, 200), same(said, "presigned"))
	})
	check("a presigned URL that was tampered with is refused", func() error {
		read, err := signer.PresignGetObject(ctx, &s3.GetObjectInput{Bucket: bucket, Key: key}, s3.WithPresignExpires(time.Minute))
		if err != nil {
			return err
		}
		status, said, err := send("GET", strings.Replace(read.URL, "X-Amz-Expires=60", "X-Amz-Expires=61", 1), nil, nil)
		return first(err, same(status, 403), same(strings.Contains(said, "<Code>SignatureDoesNotMatch</Code>"), true))
	})
}

func refusals(client, stranger *s3.Client) {
	body := make([]byte, refusedBytes)
	check("a PUT of 20 MiB with a wrong secret is SignatureDoesNotMatch, which the client reads", func() error {
		return refusal(put(stranger, "refused", body), 403, "SignatureDoesNotMatch")
	})
	check("a PUT of 20 MiB that asks for what is not there is NotImplemented, which the client reads", func() error {
		encrypted := func(input *s3.PutObjectInput) { input.ServerSideEncryption = types.ServerSideEncryptionAwsKms }
		return refusal(put(client, "refused", body, encrypted), 501, "NotImplemented")
	})
	check("net/http reads the refusal of a presigned PUT of 20 MiB", func() error {
		signer := s3.NewPresignClient(stranger)
		write, err := signer.PresignPutObject(ctx, &s3.PutObjectInput{Bucket: bucket, Key: aws.String("refused")})
		if err != nil {
			return err
		}
		status, said, err := send("PUT", write.URL, write.SignedHeader, body)
		return first(err, same(status, 403), same(strings.Contains(said, "<Code>SignatureDoesNotMatch</Code>"), true))
	})
}

func removal(client *s3.Client) {
	check("DeleteObject, DeleteObjects and DeleteBucket leave nothing", func() error {
		if _, err := client.DeleteObject(ctx, &s3.DeleteObjectInput{Bucket: bucket, Key: aws.String(odd)}); err != nil {
			return err
		}
		found, err := keys(client, "")
		if err := first(err, same(slices.Contains(found, "refused"), false)); err != nil {
			return err
		}
		var gone types.Delete
		for _, key := range found {
			gone.Objects = append(gone.Objects, types.ObjectIdentifier{Key: aws.String(key)})
		}
		answer, err := client.DeleteObjects(ctx, &s3.DeleteObjectsInput{Bucket: bucket, Delete: &gone})
		if err != nil {
			return err
		}
		if err := first(same(len(answer.Deleted), len(found)), same(len(answer.Errors), 0)); err != nil {
			return err
		}
		_, err = client.DeleteBucket(ctx, &s3.DeleteBucketInput{Bucket: bucket})
		return err
	})
}
