package fetch

import (
	"net/netip"
	"net/url"
	"path"
	"strings"
	"testing"
)

const digest = "9f86d081884c7d659a2feaa0c55ad015a3bf4f1b2b0b822cd15d6c15b0f00a08"

func TestParse(t *testing.T) {
	t.Parallel()
	for _, c := range []struct{ text, want, name string }{
		{"s3://models/churn/7.onnx", "s3://models/churn/7.onnx", "7"},
		{"S3://models/churn/7.onnx#sha256=" + strings.ToUpper(digest), "s3://models/churn/7.onnx", "7"},
		{"gs://my_models/a b/m.joblib", "gs://my_models/a b/m.joblib", "m"},
		{"azblob://models/m", "azblob://models/m", "m"},
		{"https://Models.Example.com:443/a%20b/m.joblib", "https://models.example.com/a%20b/m.joblib", "m"},
		{"https://models.example.com:8443/%6d.joblib", "https://models.example.com:8443/m.joblib", "m"},
		{"https://[0:0::1]:8443/m.joblib", "https://[::1]:8443/m.joblib", "m"},
		{"https://[::ffff:10.0.0.1]/m.joblib", "https://10.0.0.1/m.joblib", "m"},
		{"file:///srv/models/m.tar.joblib", "file:///srv/models/m.tar.joblib", "m.tar"},
		{"models:/churn/7", "models:/churn/7", "churn-7"},
		{"models:/churn@champion", "models:/churn@champion", "churn-@champion"},
	} {
		r, err := Parse(c.text)
		if err != nil || r.String() != c.want || r.Name() != c.name {
			t.Errorf("%s: got %s, %q, %v", c.text, r, r.Name(), err)
		}
		if pinned := strings.Contains(c.text, "#"); pinned != (r.SHA256 == digest) {
			t.Errorf("%s: digest %q", c.text, r.SHA256)
		}
		if again, err := Parse(c.want); err != nil || again.String() != c.want {
			t.Errorf("%s is not read as it was written: %s, %v", c.want, again, err)
		}
	}
}

// TestParseRefuses: what two readers could read differently.
func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, text := range []string{
		"", "models/model_v2.joblib", "http://models.example.com/m", "ftp://models.example.com/m", "s3:models/m", "s3:///m", "s3://models", "s3://models/",
		"s3://models/../m", "s3://models/./m", "s3://models//m", "s3://models/a/..", "s3://models/%2e%2e/m", "s3://models/a%2fb", "s3://Models/m", "s3://user@models/m",
		"s3://mo..dels/m", "s3://models/m?versionId=1", "s3://models/m#1", "s3://models/m#sha256=12", "s3://models/m\x00", "s3://models/a\\..\\m",
		"https:///m", "https://example.com", "https://user@example.com/m", "https://example.com@169.254.169.254/m", "https://example.com./m", "https://.example.com/m",
		"https://example.com:0/m", "https://example.com:0443/m", "https://example.com:99999/m", "https://exa%6dple.com/m", "https://exämple.com/m",
		"https://127.1/m", "https://0x7f000001/m", "https://2130706433/m", "https://0177.0.0.1/m", "https://[fe80::1%25eth0]/m",
		"https://example.com/%2e%2e/m", "https://example.com/%2E./m", "https://example.com/%252e%252e/m", "https://example.com/a%2fb", "https://example.com/a%5c..%5cm",
		"https://example.com/..;/m", "https://example.com/..;a=b/m", "https://example.com/.%20/m", "https://example.com/.../m", "https://example.com/m?a=b", "https://example.com/%zz",
		"https://example.com/%00m", "https://example.com/a/%ff", "file://host/m", "file:/srv/m", "file:///", "file:///srv/../etc/passwd", "file:///srv/%2e%2e/etc/passwd",
		"models:/churn", "models:/", "models://churn/7", "models:/churn/7/8", "models:churn/7", "models:/churn/..", "models:/m-123/artifacts/m",
		strings.Repeat("s3://models/", 400),
	} {
		if r, err := Parse(text); err == nil {
			t.Errorf("%q is read as %s", text, r)
		} else if strings.ContainsAny(err.Error(), "\x00") {
			t.Errorf("%q: %q", text, err)
		}
	}
}

// TestSecretIsNotRepeated: what stands behind the ? is in no error.
func TestSecretIsNotRepeated(t *testing.T) {
	t.Parallel()
	for _, text := range []string{"wasbs://models@a.example.com/m?sig=hidden", "https://a.example.com/m?sig=hidden"} {
		if _, err := Parse(text); err == nil || strings.Contains(err.Error(), "hidden") {
			t.Errorf("%s: %v", text, err)
		}
	}
}

func TestSources(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		source, of string
		covers     bool
	}{
		{"s3://models", "s3://models/m", true},
		{"s3://models/", "s3://models/m", true},
		{"s3://models", "s3://models-old/m", false},
		{"s3://models", "gs://models/m", false},
		{"s3://models/churn", "s3://models/churn/m", true},
		{"s3://models/churn/", "s3://models/churn/m", true},
		{"s3://models/churn", "s3://models/churn", true},
		{"s3://models/churn", "s3://models/churned/m", false},
		{"s3://models/churn", "s3://models/Churn/m", false},
		{"https://example.com", "https://EXAMPLE.com:443/m", true},
		{"https://example.com", "https://example.com:8443/m", false},
		{"https://example.com:8443", "https://example.com/m", false},
		{"https://example.com", "https://example.com.evil.com/m", false},
		{"https://example.com", "https://models.example.com/m", false},
		{"https://example.com/a%20b", "https://example.com/a b/m", true},
		{"file:///srv/models", "file:///srv/models/m", true},
		{"file:///srv/models", "file:///srv/modelsm", false},
		{"models:/", "models:/churn/7", true},
		{"models:/churn", "models:/churn@champion", true},
		{"models:/churn", "models:/churned/7", false},
		{"models:/churn@champion", "models:/churn@challenger", false},
	} {
		source, err := parse(c.source)
		if err != nil {
			t.Fatal(err)
		}
		r, err := Parse(c.of)
		if err != nil {
			t.Fatal(err)
		}
		if got := source.covers(r); got != c.covers {
			t.Errorf("%s covers %s: %v", c.source, c.of, got)
		}
	}
}

func TestNew(t *testing.T) {
	t.Parallel()
	data := t.TempDir()
	for _, c := range []Config{
		{Sources: []string{"models"}},
		{Sources: []string{"s3://models#sha256=" + digest}},
		{Sources: []string{"file://" + data}, Forbidden: data},
		{Sources: []string{"file://" + data + "/inner"}, Forbidden: data},
		{Sources: []string{"file://" + path.Dir(data)}, Forbidden: data + "/later"},
		{Sources: []string{"file:///"}, Forbidden: data},
		{PrivateHosts: []string{"https://example.com"}},
		{TokenFile: data + "/none"},
	} {
		if _, err := New(c); err == nil {
			t.Errorf("%+v is accepted", c)
		}
	}
	if _, err := New(Config{Sources: []string{"file:///srv/models"}, Forbidden: data}); err != nil {
		t.Error(err)
	}
}

// FuzzReference: what is written is read again as the same, what a source covers
// begins like it, and nobody else reads another place in it.
func FuzzReference(f *testing.F) {
	for _, text := range []string{
		"s3://models/churn/7.onnx", "https://example.com/a%20b/m.joblib", "file:///srv/models/m", "models:/churn@champion", "gs://models/a/../b",
		"https://user@example.com/%2e%2e/m", "https://[::1]:8443/m#sha256=" + digest, "azblob://models/m?x", "https://example.com./m",
	} {
		f.Add(text, "https://example.com/a%20b")
	}
	f.Fuzz(func(t *testing.T, text, below string) {
		r, err := Parse(text)
		if err != nil {
			return
		}
		if again, err := Parse(r.String()); err != nil || again.host != r.host || again.path != r.path {
			t.Fatalf("%q is written as %q, which is %+v, %v", text, r, again, err)
		}
		if cleaned := path.Clean("/" + r.path); cleaned != "/"+r.path {
			t.Fatalf("%q leads to %q", text, cleaned)
		}
		if r.scheme == schemeHTTPS {
			u, err := url.Parse(r.String())
			if err != nil || u.Host != r.host || u.Path != "/"+r.path || u.User != nil || u.RawQuery != "" {
				t.Fatalf("%q is another place to net/url: %+v, %v", text, u, err)
			}
		}
		source, err := parse(below)
		if err != nil || !source.covers(r) {
			return
		}
		if got, want := r.String(), strings.TrimSuffix(source.String(), "/"); got != want && !strings.HasPrefix(got, want+"/") && !strings.HasPrefix(got, want+"@") {
			t.Fatalf("%q is said to be below %q", got, want)
		}
	})
}

func TestWall(t *testing.T) {
	t.Parallel()
	const never, private, public = 0, 1, 2
	for text, who := range map[string]int{
		"93.184.216.34": public, "2606:2800:220:1::1": public, "64:ff9b::5db8:d822": public, "2002:5db8:d822::1": public, "::ffff:93.184.216.34": public,
		"127.0.0.1": private, "127.8.9.1": private, "::1": private, "10.1.2.3": private, "172.16.0.1": private, "172.31.255.255": private, "192.168.0.1": private,
		"100.64.0.1": private, "198.18.0.1": private, "fd00::1": private, "::ffff:127.0.0.1": private, "64:ff9b::7f00:1": private, "2002:7f00:1::": private, "::127.0.0.1": private,
		"0.0.0.0": never, "::": never, "169.254.169.254": never, "::ffff:169.254.169.254": never, "64:ff9b::a9fe:a9fe": never, "2002:a9fe:a9fe::1": never, "fe80::1": never,
		"fe80::1%eth0": never, "224.0.0.1": never, "255.255.255.255": never, "ff02::1": never, "100.100.100.200": never, "168.63.129.16": never, "fd00:ec2::254": never,
		"64:ff9b:1::a00:1": never, "2001:0:4136:e378:8000:63bf:3fff:fdd2": never, "0.1.2.3": never, "::169.254.169.254": never,
	} {
		addr := netip.MustParseAddr(text)
		if got := (wall{}).lets(addr); got != (who == public) {
			t.Errorf("%s: %v", text, got)
		}
		if got := (wall{private: true}).lets(addr); got != (who != never) {
			t.Errorf("%s where private ones are meant: %v", text, got)
		}
		if !(wall{literal: addr.WithZone("").Unmap()}).lets(addr) {
			t.Errorf("%s is refused where it is named", text)
		}
	}
	if (wall{}).lets(netip.Addr{}) {
		t.Error("no address is let through")
	}
}
