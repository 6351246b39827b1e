package fetch

import (
	"cmp"
	"fmt"
	"net"
	"net/netip"
	"net/url"
	"path"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

// The schemes of references.
const (
	schemeS3     = "s3"
	schemeGS     = "gs"
	schemeAzure  = "azblob"
	schemeHTTPS  = "https"
	schemeFile   = "file"
	schemeModels = "models"
)

var schemes = []string{schemeS3, schemeGS, schemeAzure, schemeHTTPS, schemeFile, schemeModels}

// longest is of a reference, in bytes.
const longest = 4096

// Reference names a file elsewhere. The zero value names none.
type Reference struct {
	// SHA256 is what the digest of the file must be, in lower-case hexadecimal; "" for
	// any. It follows the name: #sha256=...
	SHA256 string

	scheme string
	host   string // a bucket, a container, or host:port without https's own port; "" for file and models
	path   string // segments with a slash between them, in plain text
}

// Parse reads a reference. An error says what is wrong with it, and what to write.
func Parse(text string) (Reference, error) {
	r, err := parse(text)
	if err == nil && r.path == "" {
		err = fmt.Errorf("%s names no file: give all of it, as in %s", r, examples[r.scheme])
	}
	if err == nil && r.scheme == schemeModels && strings.Count(r.path, "/") != 1 {
		err = fmt.Errorf("%s is not of the form models:/NAME/VERSION or models:/NAME@ALIAS", r)
	}
	return r, err
}

var examples = map[string]string{
	schemeS3:     "s3://bucket/churn/7.onnx",
	schemeGS:     "gs://bucket/churn/7.onnx",
	schemeAzure:  "azblob://container/churn/7.onnx",
	schemeHTTPS:  "https://models.example.com/churn/7.onnx",
	schemeFile:   "file:///srv/models/churn.onnx",
	schemeModels: "models:/churn/7",
}

// parse reads a reference, or the beginning of one.
func parse(text string) (r Reference, err error) {
	if len(text) > longest || !utf8.ValidString(text) || strings.ContainsFunc(text, unusual) {
		return r, fmt.Errorf("an address of a file has at most %d bytes of text, without control characters and backslashes", longest)
	}
	scheme, rest, _ := strings.Cut(text, ":")
	r.scheme = strings.ToLower(scheme)
	if !slices.Contains(schemes, r.scheme) {
		shown, _, _ := strings.Cut(text, "?") // a query is often a secret
		return Reference{}, fmt.Errorf("%q is no address of a file, which begins with one of %s and a colon", shown, strings.Join(schemes, ", "))
	}
	rest, fragment, pinned := strings.Cut(rest, "#")
	if pinned {
		digest, named := strings.CutPrefix(strings.ToLower(fragment), "sha256=")
		if !named || !isDigest(digest) {
			return Reference{}, fmt.Errorf("%q after the # is no digest: write #sha256= and 64 hexadecimal digits, as sha256sum prints them", fragment)
		}
		r.SHA256 = digest
	}
	if strings.Contains(rest, "?") {
		return Reference{}, fmt.Errorf("%s has a query, which is often a secret and expires: give the address without it, and what it takes to read it to the server", scheme)
	}
	if r.scheme == schemeModels {
		rest, err = ofModel(rest)
	} else {
		r.host, rest, err = splitHost(r.scheme, rest)
	}
	if err == nil {
		r.path, err = plain(r.scheme, strings.TrimSuffix(rest, "/"))
	}
	if err != nil {
		return Reference{}, fmt.Errorf("%s: %w", text, err)
	}
	return r, nil
}

// unusual is what no address has, or what some readers take for a slash.
func unusual(c rune) bool { return unicode.IsControl(c) || c == '\\' }

func isDigest(s string) bool { return len(s) == 64 && strings.Trim(s, "0123456789abcdef") == "" }

// ofModel makes segments of /NAME/VERSION and /NAME@ALIAS.
func ofModel(rest string) (string, error) {
	segments, found := strings.CutPrefix(rest, "/")
	if !found || strings.HasPrefix(segments, "/") {
		return "", fmt.Errorf("write models:/NAME/VERSION or models:/NAME@ALIAS")
	}
	if name, alias, found := strings.Cut(segments, "@"); found && !strings.Contains(segments, "/") {
		segments = name + "/@" + alias
	}
	return segments, nil
}

// splitHost takes //host/path apart.
func splitHost(scheme, rest string) (host, segments string, err error) {
	rest, found := strings.CutPrefix(rest, "//")
	if !found {
		return "", "", fmt.Errorf("two slashes follow %s:, as in %s", scheme, examples[scheme])
	}
	host, segments, _ = strings.Cut(rest, "/")
	switch scheme {
	case schemeFile:
		if host != "" {
			err = fmt.Errorf("three slashes follow file:, and then the path, as in %s", examples[scheme])
		}
	case schemeHTTPS:
		host, err = plainHost(host)
	default:
		if !bucket.MatchString(host) || strings.Contains(host, "..") {
			err = fmt.Errorf("%q is no name of a bucket: it has 3 to 222 of a-z, 0-9, '.', '_' and '-'", host)
		}
	}
	return host, segments, err
}

var (
	bucket   = regexp.MustCompile(`^[a-z0-9][a-z0-9._-]{1,220}[a-z0-9]$`)
	hostName = regexp.MustCompile(`^[a-z0-9_-]+(\.[a-z0-9_-]+)*$`)
	number   = regexp.MustCompile(`^(0x[0-9a-f]*|[0-9]+)$`)
)

// plainHost writes a host and its port in the one way that they are compared in.
func plainHost(text string) (string, error) {
	host, port := strings.ToLower(text), ""
	if h, p, err := net.SplitHostPort(host); err == nil {
		host, port = h, p
	} else {
		host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	}
	if n, err := strconv.ParseUint(cmp.Or(port, "443"), 10, 16); err != nil || n == 0 || port != "" && strconv.FormatUint(n, 10) != port {
		return "", fmt.Errorf("%q is no port", port)
	}
	addr, err := netip.ParseAddr(host)
	switch {
	case err == nil && addr.Zone() == "":
		host = addr.Unmap().String()
	// Some resolvers read 127.1 and 0x7f000001 as addresses.
	case len(host) > 253, !hostName.MatchString(host), number.MatchString(host[strings.LastIndexByte(host, '.')+1:]):
		return "", fmt.Errorf("%q is no name of a host: write it in ASCII, without a user, and without a dot at its end", text)
	}
	if strings.Contains(host, ":") {
		host = "[" + host + "]"
	}
	if port != "" && port != "443" {
		host += ":" + port
	}
	return host, nil
}

// plain checks a path and takes its escapes out. Some servers decode twice, some end a
// segment at a semicolon, some drop dots and blanks at its end: what could become
// another segment for one of them is refused.
func plain(scheme, text string) (string, error) {
	if text == "" {
		return "", nil
	}
	segments := strings.Split(text, "/")
	for i, segment := range segments {
		if scheme == schemeHTTPS || scheme == schemeFile {
			decoded, err := url.PathUnescape(segment)
			if err != nil {
				return "", fmt.Errorf("%q is not escaped as in a URL: a %% is followed by two hexadecimal digits", segment)
			}
			segment = decoded
		}
		before, _, _ := strings.Cut(segment, ";")
		switch {
		case strings.Trim(before, ". ") == "":
			return "", fmt.Errorf("the segment %q names no file: leave out . and .., and two slashes in a row", segments[i])
		case strings.ContainsAny(segment, "%/#?") || strings.ContainsFunc(segment, unusual) || !utf8.ValidString(segment):
			return "", fmt.Errorf("the segment %q hides a character that separates", segments[i])
		}
		segments[i] = segment
	}
	return strings.Join(segments, "/"), nil
}

// String writes a reference as Parse reads it, without its digest.
func (r Reference) String() string {
	switch r.scheme {
	case "":
		return ""
	case schemeModels:
		return schemeModels + ":/" + strings.Replace(r.path, "/@", "@", 1)
	case schemeHTTPS, schemeFile:
		return (&url.URL{Scheme: r.scheme, Host: r.host, Path: "/" + r.path, RawPath: escaped("/" + r.path)}).String()
	default:
		return r.scheme + "://" + r.host + "/" + r.path
	}
}

// escaped is a path whose segments are escaped, each by itself.
func escaped(text string) string {
	segments := strings.Split(text, "/")
	for i, s := range segments {
		segments[i] = url.PathEscape(s)
	}
	return strings.Join(segments, "/")
}

// Name is what a version is called that comes from there: the file without its
// extension, and for MLflow the model with its version.
func (r Reference) Name() string {
	if r.scheme == schemeModels {
		return strings.Replace(r.path, "/", "-", 1)
	}
	base := path.Base(r.path)
	return cmp.Or(strings.TrimSuffix(base, path.Ext(base)), base)
}

// Beside is the file whose name is that of another one and a suffix. ok is false where
// there is none: in MLflow.
func (r Reference) Beside(suffix string) (beside Reference, ok bool) {
	r.path += suffix
	r.SHA256 = ""
	return r, r.scheme != schemeModels
}

// join is a file below a reference that stands for a folder.
func (r Reference) join(name string) (Reference, error) {
	below, err := plain(r.scheme, name)
	if err == nil && below == "" {
		err = fmt.Errorf("%q names no file", name)
	}
	r.path = strings.TrimPrefix(r.path+"/"+below, "/")
	return r, err
}

// covers tells whether a source covers a reference.
func (r Reference) covers(other Reference) bool {
	return r.scheme == other.scheme && r.host == other.host &&
		(r.path == "" || r.path == other.path || strings.HasPrefix(other.path, r.path+"/"))
}
