package fetch

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/Azure/azure-sdk-for-go/sdk/azcore"
	"github.com/Azure/azure-sdk-for-go/sdk/azcore/policy"
	"github.com/Azure/azure-sdk-for-go/sdk/azidentity"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob"
	"github.com/Azure/azure-sdk-for-go/sdk/storage/azblob/bloberror"
	"github.com/minio/minio-go/v7"
	"github.com/minio/minio-go/v7/pkg/credentials"
	"golang.org/x/oauth2"
	"golang.org/x/oauth2/google"
)

const (
	// cloudTries is how often a cloud's own client asks before it gives up.
	cloudTries = 3
	// identityTimeout is how long it may take to learn from the machine who it is.
	identityTimeout = 5 * time.Second
)

// cloud is the way to an object store, whose host is the operator's, or its own.
func (p *Porter) cloud() *http.Transport {
	t := p.transport(operators)
	t.Proxy = http.ProxyFromEnvironment
	return t
}

// s3 gets an object from S3, or from what speaks its protocol at AWS_ENDPOINT_URL_S3 or
// AWS_ENDPOINT_URL.
func (p *Porter) s3(ctx context.Context, r Reference) (io.ReadCloser, int64, error) {
	endpoint, err := url.Parse(cmp.Or(p.env("AWS_ENDPOINT_URL_S3"), p.env("AWS_ENDPOINT_URL"), "https://s3.amazonaws.com"))
	if err != nil || endpoint.Host == "" {
		return nil, 0, misset(r, "AWS_ENDPOINT_URL", "an address such as https://minio.example.com:9000")
	}
	chain := []credentials.Provider{&credentials.EnvAWS{}, &credentials.FileAWSCredentials{}}
	if !strings.EqualFold(p.env("AWS_EC2_METADATA_DISABLED"), "true") {
		chain = append(chain, &credentials.IAM{Client: &http.Client{Timeout: identityTimeout}})
	}
	client, err := minio.NewCore(endpoint.Host, &minio.Options{
		Creds: credentials.NewChainCredentials(chain), Secure: endpoint.Scheme == schemeHTTPS, Transport: p.cloud(),
		Region: cmp.Or(p.env("AWS_REGION"), p.env("AWS_DEFAULT_REGION")), MaxRetries: cloudTries,
	})
	if err != nil {
		return nil, 0, broken(r, err)
	}
	body, info, _, err := client.GetObject(ctx, r.host, r.path, minio.GetObjectOptions{})
	if refused, ok := errors.AsType[minio.ErrorResponse](err); ok && refused.StatusCode != 0 {
		return nil, 0, cmp.Or(answered(r, refused.StatusCode), broken(r, err))
	}
	if err != nil {
		return nil, 0, broken(r, err)
	}
	return body, info.Size, nil
}

// misset is about a variable of the environment.
func misset(r Reference, variable, meant string) error {
	return &Refusal{Kind: Broken, Detail: r.String() + " cannot be fetched: the variable " + variable + " does not say from where", Next: "Set it to " + meant + ", and start the server again."}
}

// gs gets an object from Google Cloud Storage, or from what speaks its JSON protocol at
// STORAGE_EMULATOR_HOST. Without credentials it asks as anybody may.
func (p *Porter) gs(ctx context.Context, r Reference) (io.ReadCloser, int64, error) {
	client := &http.Client{Transport: p.cloud(), CheckRedirect: stay}
	endpoint := "https://storage.googleapis.com"
	if emulator := p.env("STORAGE_EMULATOR_HOST"); emulator != "" {
		if endpoint = strings.TrimSuffix(emulator, "/"); !strings.Contains(endpoint, "://") {
			endpoint = "http://" + endpoint
		}
	} else if found, err := google.FindDefaultCredentials(ctx, "https://www.googleapis.com/auth/devstorage.read_only"); err == nil {
		client.Transport = &oauth2.Transport{Source: found.TokenSource, Base: client.Transport}
	}
	address := endpoint + "/storage/v1/b/" + url.PathEscape(r.host) + "/o/" + url.PathEscape(r.path) + "?alt=media"
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, address, nil)
	if err != nil {
		return nil, 0, misset(r, "STORAGE_EMULATOR_HOST", "host:port")
	}
	req.Header.Set("Accept-Encoding", "gzip") // what is packed there is not to be unpacked on the way
	return get(client, req, r)
}

// stay follows no redirect.
func stay(*http.Request, []*http.Request) error { return http.ErrUseLastResponse }

// azure gets a blob of the account that AZURE_STORAGE_ACCOUNT names, or of the one that
// is in AZURE_STORAGE_CONNECTION_STRING.
func (p *Porter) azure(ctx context.Context, r Reference) (io.ReadCloser, int64, error) {
	client, err := p.account(r)
	if err != nil {
		return nil, 0, broken(r, err)
	}
	res, err := client.DownloadStream(ctx, r.host, r.path, nil)
	if refused, ok := errors.AsType[*azcore.ResponseError](err); ok {
		status := refused.StatusCode
		if bloberror.HasCode(err, bloberror.BlobNotFound, bloberror.ContainerNotFound) {
			status = http.StatusNotFound
		}
		return nil, 0, answered(r, status)
	}
	if err != nil {
		return nil, 0, broken(r, err)
	}
	size := int64(-1)
	if res.ContentLength != nil {
		size = *res.ContentLength
	}
	return res.Body, size, nil
}

// account is who asks Azure: the holder of a connection string, of a key or of a
// signature, or whom this machine is known as.
func (p *Porter) account(r Reference) (*azblob.Client, error) {
	options := &azblob.ClientOptions{}
	options.Transport = &http.Client{Transport: p.cloud(), CheckRedirect: stay}
	options.Retry = policy.RetryOptions{MaxRetries: cloudTries, RetryDelay: time.Second, MaxRetryDelay: 5 * time.Second}
	if connection := p.env("AZURE_STORAGE_CONNECTION_STRING"); connection != "" {
		return azblob.NewClientFromConnectionString(connection, options)
	}
	name := p.env("AZURE_STORAGE_ACCOUNT")
	if !bucket.MatchString(name) {
		return nil, misset(r, "AZURE_STORAGE_ACCOUNT", "the name of the storage account")
	}
	address := "https://" + name + "." + cmp.Or(p.env("AZURE_STORAGE_DOMAIN"), "blob.core.windows.net") + "/"
	if key := p.env("AZURE_STORAGE_KEY"); key != "" {
		shared, err := azblob.NewSharedKeyCredential(name, key)
		if err != nil {
			return nil, misset(r, "AZURE_STORAGE_KEY", "the account's key")
		}
		return azblob.NewClientWithSharedKeyCredential(address, shared, options)
	}
	if signature := p.env("AZURE_STORAGE_SAS_TOKEN"); signature != "" {
		return azblob.NewClientWithNoCredential(address+"?"+strings.TrimPrefix(signature, "?"), options)
	}
	identity, err := azidentity.NewDefaultAzureCredential(nil)
	if err != nil {
		return nil, err
	}
	return azblob.NewClient(address, identity, options)
}
