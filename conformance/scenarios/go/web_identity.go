// Credentials by the SDK's own web-identity provider, which finds role, token and endpoint in the environment.
package main

import (
	"errors"
	"os"

	"github.com/aws/aws-sdk-go-v2/aws"
	awshttp "github.com/aws/aws-sdk-go-v2/aws/transport/http"
	"github.com/aws/aws-sdk-go-v2/config"
	"github.com/aws/aws-sdk-go-v2/credentials/stscreds"
	"github.com/aws/aws-sdk-go-v2/service/s3"
)

// All sessions share their connections: a client of each would leave its own ones open.
var connections = awshttp.NewBuildableClient()

// newSession is a client whose credentials nobody has asked for yet.
func newSession() (*s3.Client, aws.Config, error) {
	settings, err := config.LoadDefaultConfig(ctx, config.WithHTTPClient(connections))
	if err != nil {
		return nil, settings, err
	}
	return s3.NewFromConfig(settings, func(options *s3.Options) { options.UsePathStyle = true }), settings, nil
}

func readOnce(key string) error {
	client, _, err := newSession()
	if err != nil {
		return err
	}
	found, err := get(client, key)
	return first(err, same(string(found), "open"))
}

func webIdentity() {
	bucket = aws.String(os.Getenv("CONFORMANCE_BUCKET"))
	check("the Go SDK takes its credentials from the provider, and is held to its role", func() error {
		client, settings, err := newSession()
		if err != nil {
			return err
		}
		taken, err := settings.Credentials.Retrieve(ctx)
		if err != nil {
			return err
		}
		denied := refusal(put(client, "b", []byte("b")), 403, "AccessDenied")
		return first(same(taken.Source, stscreds.WebIdentityProviderName), readOnce("a"), denied)
	})
	check("the Go SDK begins sessions while the keys of the provider are rotated", func() error {
		for rounds := 0; ; rounds++ {
			if err := readOnce("a"); err != nil {
				return err
			}
			_, err := os.Stat(os.Getenv("CONFORMANCE_STOP"))
			if err == nil && rounds > 0 {
				return nil
			}
			if err != nil && !errors.Is(err, os.ErrNotExist) {
				return err
			}
		}
	})
}
