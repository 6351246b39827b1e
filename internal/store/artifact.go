package store

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"strings"

	"serin/internal/rollout"
)

// Ingest copies r into the artifacts and returns the SHA-256 of what it read,
// in lower-case hexadecimal, and its size. The artifact is durable before it
// returns. More than limit bytes are a *TooLarge; on any error, and when ctx
// ends, nothing is left of it. Behind PostgreSQL other replicas find it if it has at
// most Shareable bytes.
func (s *Store) Ingest(ctx context.Context, r io.Reader, limit int64) (digest string, size int64, err error) {
	f, err := os.CreateTemp(s.path(artifactsName), "ingest-*"+temporarySuffix)
	if err != nil {
		return "", 0, fmt.Errorf("storing an artifact: %w", err)
	}
	defer func() {
		if err != nil {
			_ = f.Close()           // it is being thrown away
			_ = os.Remove(f.Name()) // Prune removes it otherwise
			err = fmt.Errorf("storing an artifact: %w", err)
		}
	}()
	h := sha256.New()
	size, err = io.Copy(io.MultiWriter(f, h), &patient{ctx, io.LimitReader(r, limit+1)})
	switch {
	case err != nil:
		return "", 0, err
	case size > limit:
		return "", 0, &TooLarge{"the artifact", limit}
	}
	s.step("ingest: copied")
	digest = hex.EncodeToString(h.Sum(nil))
	if s.shared != nil && size <= s.Shareable() {
		if err := s.shared.upload(ctx, f, digest, size); err != nil {
			return "", 0, err
		}
		s.step("ingest: shared")
	}
	if err := errors.Join(f.Chmod(0o400), f.Sync(), f.Close()); err != nil {
		return "", 0, err
	}
	s.step("ingest: synced")
	// A copy that is there already is replaced: this one is known to be whole.
	if err := s.renameDurably(f.Name(), s.artifact(digest), "ingest"); err != nil {
		return "", 0, err
	}
	return digest, size, nil
}

// Shareable is the size up to which an artifact is for all who use the store, in bytes.
func (s *Store) Shareable() int64 { return s.share }

func (s *Store) artifact(digest string) string { return filepath.Join(s.dir, artifactsName, digest) }

// patient is a reader that stops when its context ends.
type patient struct {
	ctx context.Context
	r   io.Reader
}

func (p *patient) Read(b []byte) (int, error) {
	if err := p.ctx.Err(); err != nil {
		return 0, err
	}
	return p.r.Read(b)
}

// Artifact opens an artifact by its SHA-256. It reads all of it first, and
// hands out the first byte only if the digest is right; otherwise it returns
// *Damage. An unknown artifact is fs.ErrNotExist.
//
// One that is behind PostgreSQL is copied to the directory first, where it is not
// there or not whole; that it is there already is enough where nobody answers.
func (s *Store) Artifact(ctx context.Context, digest string) (io.ReadCloser, error) {
	if !isDigest(digest) {
		return nil, fmt.Errorf("%q is not a SHA-256 in lower-case hexadecimal", digest)
	}
	r, err := s.openArtifact(ctx, digest)
	if err == nil || s.shared == nil || ctx.Err() != nil {
		return r, err
	}
	f, err := s.fetch(ctx, digest)
	if err != nil {
		return nil, fmt.Errorf("fetching the artifact %s: %w. If it is gone, deploy its file again", digest, s.explain(err))
	}
	return f, nil
}

// fetching begins the names of files that are being fetched. Prune leaves them
// alone, for it may run beside; Open removes them.
const fetching = "fetch-"

// fetch copies an artifact from PostgreSQL to the directory, and opens it: whoever
// prunes may not know yet that somebody needs it.
func (s *Store) fetch(ctx context.Context, digest string) (_ io.ReadCloser, err error) {
	f, err := os.CreateTemp(s.path(artifactsName), fetching)
	if err != nil {
		return nil, err
	}
	defer func() {
		if err != nil {
			_ = f.Close()           // it is being thrown away
			_ = os.Remove(f.Name()) // Open removes it otherwise
		}
	}()
	h := sha256.New()
	if err := s.shared.download(ctx, digest, io.MultiWriter(f, h)); err != nil {
		return nil, err
	}
	if found := hex.EncodeToString(h.Sum(nil)); found != digest {
		return nil, &Damage{s.place(), "the SHA-256 of the artifact " + digest + " is " + found, "Deploy the file that it came from again, or restore it from a backup."}
	}
	if err := errors.Join(f.Chmod(0o400), f.Sync()); err != nil {
		return nil, err
	}
	if _, err := f.Seek(0, io.SeekStart); err != nil {
		return nil, err
	}
	return f, s.renameDurably(f.Name(), s.artifact(digest), "fetch")
}

// openArtifact opens an artifact that is in the directory.
func (s *Store) openArtifact(ctx context.Context, digest string) (io.ReadCloser, error) {
	f, err := os.Open(s.artifact(digest))
	if err != nil {
		return nil, fmt.Errorf("opening the artifact: %w. Deploy its file again", err)
	}
	h := sha256.New()
	if _, err = io.Copy(h, &patient{ctx, f}); err == nil {
		_, err = f.Seek(0, io.SeekStart)
	}
	if err != nil {
		return nil, errors.Join(fmt.Errorf("reading the artifact %s: %w", digest, err), f.Close())
	}
	if found := hex.EncodeToString(h.Sum(nil)); found != digest {
		damage := &Damage{f.Name(), "its SHA-256 is " + found + " and should be its name", "Deploy the file that it came from again, or restore it from a backup."}
		return nil, errors.Join(damage, f.Close())
	}
	return f, nil
}

// isDigest also keeps paths out: a digest has no dots and no slashes.
func isDigest(s string) bool {
	return len(s) == 2*sha256.Size && strings.Trim(s, "0123456789abcdef") == ""
}

// Prune removes the artifacts that neither keep nor the committed state of any
// model names, as a model file or as its golden predictions, and what interrupted calls of Ingest left behind. It must not
// run beside Ingest: keep has to name what was stored but not committed yet.
func (s *Store) Prune(keep ...string) error {
	if s.shared != nil {
		kept, err := s.shared.prune(context.Background(), keep)
		if err != nil {
			return fmt.Errorf("pruning artifacts: %w", s.explain(err))
		}
		return s.sweep(kept)
	}
	end, err := s.begin(context.Background())
	if err != nil {
		return err
	}
	defer end()
	for _, m := range s.known.models {
		digests, err := named(m.state)
		if err != nil {
			return err
		}
		keep = append(keep, digests...)
	}
	return s.sweep(keep)
}

// named are the artifacts that a state needs.
func named(text string) ([]string, error) {
	state, err := decodeState(text)
	return digests(&state), err
}

func digests(s *rollout.State) []string {
	all := []string{s.Stable.SHA256, s.Stable.Golden}
	if s.Rollout != nil {
		all = append(all, s.Rollout.Canary.SHA256, s.Rollout.Canary.Golden)
	}
	return all
}

// sweep removes what is not to be kept from the directory.
func (s *Store) sweep(keep []string) error {
	entries, err := os.ReadDir(s.path(artifactsName))
	if err != nil {
		return fmt.Errorf("pruning artifacts: %w", err)
	}
	var failed []error
	for _, entry := range entries {
		name := entry.Name()
		unnamed := isDigest(name) && !slices.Contains(keep, name)
		if !unnamed && !strings.HasSuffix(name, temporarySuffix) {
			continue
		}
		if err := os.Remove(s.artifact(name)); err != nil && !errors.Is(err, fs.ErrNotExist) {
			failed = append(failed, err)
		}
	}
	return errors.Join(failed...)
}
