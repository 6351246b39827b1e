package fetch

import (
	"bufio"
	"context"
	"crypto/sha256"
	"crypto/x509"
	"encoding/hex"
	"errors"
	"fmt"
	"hash"
	"io"
	"net"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// Config says where files may come from.
type Config struct {
	// Sources are the beginnings of references that may be fetched; none, and none may.
	Sources []string
	// PrivateHosts are hosts of https sources whose addresses may be private.
	PrivateHosts []string
	// TokenFile has lines of a beginning of an https address and the bearer token that is
	// sent there; "" for none. It is read for each file.
	TokenFile string
	// Forbidden is a directory in which no file source may lie, nor the other way round.
	Forbidden string
}

// Porter fetches files. It is safe for concurrent use, and holds nothing open between
// two files.
type Porter struct {
	sources []Reference
	private []string
	tokens  string
	env     func(string) string

	stall, whole time.Duration // the longest wait for a byte, and for all of them

	roots    *x509.CertPool // nil for the system's; others in tests
	resolver *net.Resolver  // nil for the system's; others in tests
}

// New checks what is configured.
func New(c Config) (*Porter, error) {
	p := &Porter{tokens: c.TokenFile, env: os.Getenv, stall: 30 * time.Second, whole: 15 * time.Minute}
	for _, text := range c.Sources {
		source, err := parse(text)
		if err == nil && source.SHA256 != "" {
			err = fmt.Errorf("%s has a digest: a source is a place, and each file that is deployed has its own", text)
		}
		if err == nil && source.scheme == schemeFile {
			err = apart("/"+source.path, c.Forbidden)
		}
		if err != nil {
			return nil, fmt.Errorf("artifact source: %w", err)
		}
		p.sources = append(p.sources, source)
	}
	for _, host := range c.PrivateHosts {
		plain, err := plainHost(host)
		if err != nil {
			return nil, fmt.Errorf("private artifact host: %w", err)
		}
		p.private = append(p.private, plain)
	}
	if _, err := p.readTokens(); err != nil {
		return nil, err
	}
	return p, nil
}

// apart refuses a folder that has to do with one that is none of our business: its
// files have locks that closing them would drop.
func apart(folder, forbidden string) error {
	if forbidden == "" {
		return nil
	}
	a, b := actual(folder), actual(forbidden)
	for _, pair := range [][2]string{{a, b}, {b, a}} {
		if within, err := filepath.Rel(pair[0], pair[1]); err == nil && filepath.IsLocal(within) {
			return fmt.Errorf("%s and the state directory %s lie in each other: give a folder beside it", folder, forbidden)
		}
	}
	return nil
}

// actual is where a path leads to, as far as it exists.
func actual(path string) string {
	path, _ = filepath.Abs(path) // fails only where the working directory is gone
	if found, err := filepath.EvalSymlinks(path); err == nil {
		return found
	}
	return filepath.Join(actual(filepath.Dir(path)), filepath.Base(path))
}

// allow refuses what no source covers.
func (p *Porter) allow(r Reference) error {
	for _, source := range p.sources {
		if source.covers(r) {
			return nil
		}
	}
	refusal := &Refusal{Kind: Forbidden, Detail: fmt.Sprintf("%s is below no source that this server may fetch from", r), Next: "Start serin serve with --artifact-source and the beginning of that address, or deploy the file by its path."}
	if len(p.sources) == 0 {
		refusal.Detail = fmt.Sprintf("this server fetches no files from elsewhere, and so not %s", r)
	}
	return refusal
}

// Parcel is a file on its way. Reads end with a *Refusal unless all of it came and is
// what was asked for; only then is there an io.EOF.
type Parcel struct {
	// From is where it is from. What the reference of a model left open, the version that
	// an alias stands for, is in it.
	From Reference

	body  io.ReadCloser
	size  int64 // -1: not known
	limit int64
	read  int64
	hash  hash.Hash // nil: any digest will do

	ctx    context.Context
	cancel context.CancelCauseFunc
	stall  time.Duration
	timer  *time.Timer
}

var (
	errStalled = errors.New("nothing arrived for too long")
	errSlow    = errors.New("it took too long")
)

// Open begins to fetch a file of at most limit bytes. It ends when ctx does. All errors
// are a *Refusal.
func (p *Porter) Open(ctx context.Context, r Reference, limit int64) (*Parcel, error) {
	if err := p.allow(r); err != nil {
		return nil, err
	}
	whole, cancel := context.WithTimeoutCause(ctx, p.whole, fmt.Errorf("%w: %v", errSlow, p.whole))
	ctx, end := context.WithCancelCause(whole)
	timer := time.AfterFunc(p.stall, func() { end(fmt.Errorf("%w: %v", errStalled, p.stall)) })
	parcel := &Parcel{From: r, limit: limit, ctx: ctx, stall: p.stall, timer: timer, cancel: func(cause error) { end(cause); cancel() }}
	from, body, size, err := p.begin(ctx, r)
	if err != nil {
		err = parcel.failed(err)
		parcel.end()
		return nil, err
	}
	parcel.From, parcel.body, parcel.size = from, body, size
	if from.SHA256 != "" {
		parcel.hash = sha256.New()
	}
	if size > limit {
		return nil, errors.Join(tooLarge(r.String(), limit), parcel.Close())
	}
	return parcel, nil
}

// begin asks for a file that may be fetched. size is -1 where it is not known.
func (p *Porter) begin(ctx context.Context, r Reference) (from Reference, body io.ReadCloser, size int64, err error) {
	if r.scheme == schemeModels {
		return p.registered(ctx, r)
	}
	open := map[string]func(context.Context, Reference) (io.ReadCloser, int64, error){
		schemeS3: p.s3, schemeGS: p.gs, schemeAzure: p.azure, schemeHTTPS: p.https, schemeFile: p.folder,
	}[r.scheme]
	body, size, err = open(ctx, r)
	return r, body, size, err
}

// Read gives the next bytes.
func (p *Parcel) Read(b []byte) (int, error) {
	if p.read > p.limit {
		return 0, tooLarge(p.From.String(), p.limit)
	}
	p.timer.Reset(p.stall)
	n, err := p.body.Read(b)
	p.timer.Stop() // what the reader does with the bytes is not the source's time
	p.read += int64(n)
	if p.hash != nil {
		p.hash.Write(b[:n])
	}
	if p.read > p.limit {
		return 0, tooLarge(p.From.String(), p.limit)
	}
	if err == nil {
		return n, nil
	}
	return n, p.ended(err)
}

// ended is what the end of the body means. One that comes after the transfer was called
// off is none: a server may end what it sends in good order when it hears of that.
func (p *Parcel) ended(err error) error {
	if cause := context.Cause(p.ctx); cause != nil {
		return p.failed(cause)
	}
	if !errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
		return p.failed(err)
	}
	if p.size >= 0 && p.read != p.size {
		return p.failed(fmt.Errorf("%d of %d bytes arrived", p.read, p.size))
	}
	if p.hash == nil {
		return err
	}
	if found := hex.EncodeToString(p.hash.Sum(nil)); found != p.From.SHA256 {
		return &Refusal{
			Kind: Differs, Detail: fmt.Sprintf("the SHA-256 of %s is %s, and that of the file that was meant is %s", p.From, found, p.From.SHA256),
			Next: "Somebody replaced it, or the digest is of another file: put the right one there under a name of its own, and deploy that.",
		}
	}
	return err
}

// failed prefers the reason for which the transfer was called off.
func (p *Parcel) failed(err error) error {
	if cause := context.Cause(p.ctx); errors.Is(cause, errStalled) || errors.Is(cause, errSlow) {
		err = cause
	}
	return broken(p.From, err)
}

func (p *Parcel) end() {
	p.timer.Stop()
	p.cancel(context.Canceled)
}

// Close ends the transfer, whether or not all of it was read.
func (p *Parcel) Close() error {
	p.end()
	return p.body.Close()
}

// Verified ends r with a *Refusal if the SHA-256 of all that came is not want, so that it
// never gets a name where it is kept; "" is any.
func Verified(r io.Reader, want string) io.Reader { return &verified{r, sha256.New(), want} }

type verified struct {
	from io.Reader
	hash hash.Hash
	want string
}

func (v *verified) Read(b []byte) (int, error) {
	n, err := v.from.Read(b)
	v.hash.Write(b[:n])
	if !errors.Is(err, io.EOF) || v.want == "" {
		return n, err
	}
	if got := hex.EncodeToString(v.hash.Sum(nil)); got != v.want {
		return n, &Refusal{
			Kind: Differs, Detail: fmt.Sprintf("the SHA-256 of what arrived is %s, and that of the file that was sent is %s", got, v.want),
			Next: "It was damaged on the way, or the digest is of another file: send it again.",
		}
	}
	return n, err
}

// token is a secret for the addresses below a source.
type token struct {
	below  Reference
	secret string
}

// readTokens reads the file of tokens, which may have changed.
func (p *Porter) readTokens() ([]token, error) {
	if p.tokens == "" {
		return nil, nil
	}
	f, err := os.Open(p.tokens)
	if err != nil {
		return nil, fmt.Errorf("the file of artifact tokens: %w", err)
	}
	defer f.Close()
	var all []token
	lines := bufio.NewScanner(f)
	for n := 1; lines.Scan(); n++ {
		fields := strings.Fields(lines.Text())
		if len(fields) == 0 || strings.HasPrefix(fields[0], "#") {
			continue
		}
		below, err := parse(fields[0])
		if err != nil || below.scheme != schemeHTTPS || len(fields) != 2 {
			return nil, fmt.Errorf("%s:%d: a line has the beginning of an https address, a blank, and a token", p.tokens, n)
		}
		all = append(all, token{below, fields[1]})
	}
	return all, lines.Err()
}
