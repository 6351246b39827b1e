package main

import (
	"context"
	"fmt"
	"io"
	"sync"
	"sync/atomic"
	"time"

	"serin/test/program"
)

// flight is a run under way.
type flight struct {
	settings

	server *program.Server
	began  time.Time
	report *report
	// right is what each version answers to the row that is sent.
	right map[string]float64
	// now is what may answer at the moment.
	now atomic.Pointer[moment]
	// over ends the load.
	over atomic.Bool
}

// moment is a time between two admin calls, or that of one.
type moment struct {
	// swapping is true in a block of swaps, false in the pause after it.
	swapping bool
	// stable and canary are the versions of the arms; canary is empty without one.
	// In the midst of a call it cannot be known who answers: settled is false.
	stable, canary string
	settled        bool
}

// may tells whether the version can be whose answer it is; the arm is empty where
// the protocol does not name it.
func (m *moment) may(arm, version string) bool {
	return !m.settled || version == m.stable && arm != "canary" || version == m.canary && arm != "stable"
}

// answer is what came of one request.
type answer struct {
	arm, version string
	probability  float64
}

// caller sends the row and waits for its answer.
type caller func(ctx context.Context) (answer, error)

// fly learns what is right, puts the load on and swaps.
func (f *flight) fly(ctx context.Context, progress io.Writer) error {
	calls, closeAll, err := f.callers()
	if err != nil {
		return err
	}
	defer closeAll()
	if err := f.learn(ctx, calls["HTTP/1.1"]); err != nil {
		return err
	}
	f.now.Store(&moment{stable: "model_v1", settled: true})
	var clients sync.WaitGroup
	for name, call := range calls {
		for range f.connections {
			clients.Go(func() { f.client(ctx, name, call) })
		}
	}
	err = f.swap(ctx, progress)
	f.over.Store(true)
	clients.Wait()
	return err
}

// learn asks both versions for their answers while nothing is going on.
func (f *flight) learn(ctx context.Context, call caller) error {
	f.right = map[string]float64{}
	if err := f.deploy(ctx, "model_v2"); err != nil {
		return err
	}
	for len(f.right) < 2 {
		a, err := call(ctx)
		if err != nil {
			return fmt.Errorf("asking before the run: %w", err)
		}
		f.right[a.version] = a.probability
	}
	if f.right["model_v1"] == f.right["model_v2"] {
		return fmt.Errorf("both versions answer %v, so that nothing could be told apart", f.right["model_v1"])
	}
	return f.rollback(ctx)
}

func (f *flight) deploy(ctx context.Context, version string) error {
	return f.server.Admin(ctx, "deploy-canary", map[string]any{"model_path": "models/" + version + ".joblib", "force": true}, nil)
}

func (f *flight) rollback(ctx context.Context) error {
	return f.server.Admin(ctx, "rollback-canary", map[string]any{}, nil)
}

func (f *flight) promote(ctx context.Context) error {
	return f.server.Admin(ctx, "promote-canary", map[string]any{"force": true, "reason": "the test wants it"}, nil)
}

// swap plays the rounds, in blocks. After each block the load goes on for as long
// without swaps.
func (f *flight) swap(ctx context.Context, progress io.Writer) error {
	stable, other := "model_v1", "model_v2"
	done := 0
	for block := range f.blocks {
		begun := time.Now()
		for ; done < f.rounds*(block+1)/f.blocks; done++ {
			if err := f.round(ctx, stable, other); err != nil {
				return fmt.Errorf("round %d: %w", done+1, err)
			}
			stable, other = other, stable
		}
		took := time.Since(begun)
		f.report.swapped += took
		f.now.Store(&moment{stable: stable, settled: true})
		select {
		case <-time.After(took):
		case <-ctx.Done():
			return ctx.Err()
		}
		fmt.Fprintf(progress, "%d of %d rounds, this block in %v\n", done, f.rounds, took.Round(time.Millisecond))
	}
	return nil
}

// round deploys the other version and rolls it back, deploys it again and
// promotes it.
func (f *flight) round(ctx context.Context, stable, other string) error {
	for _, step := range []struct {
		do   func() error
		then moment
	}{
		{func() error { return f.deploy(ctx, other) }, moment{stable: stable, canary: other}},
		{func() error { return f.rollback(ctx) }, moment{stable: stable}},
		{func() error { return f.deploy(ctx, other) }, moment{stable: stable, canary: other}},
		{func() error { return f.promote(ctx) }, moment{stable: other}},
	} {
		next := time.After(f.every)
		f.now.Store(&moment{swapping: true})
		if err := step.do(); err != nil {
			return err
		}
		step.then.swapping, step.then.settled = true, true
		f.now.Store(&step.then)
		// The load must have its say before the next call.
		if err := f.fewAnswers(ctx); err != nil {
			return err
		}
		select {
		case <-next:
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// fewAnswers waits until a few requests began and were answered under the state
// as it is, so that each state is seen, however fast the calls follow each other.
func (f *flight) fewAnswers(ctx context.Context) error {
	at := f.report.settled.Load()
	limit := time.NewTimer(time.Minute)
	defer limit.Stop()
	poll := time.NewTicker(100 * time.Microsecond)
	defer poll.Stop()
	for f.report.settled.Load() < at+3 {
		select {
		case <-poll.C:
		case <-limit.C:
			return fmt.Errorf("no answers for a minute")
		case <-ctx.Done():
			return ctx.Err()
		}
	}
	return nil
}

// client is one closed loop.
func (f *flight) client(ctx context.Context, protocol string, call caller) {
	for !f.over.Load() && ctx.Err() == nil {
		before, sent := f.now.Load(), time.Now()
		a, err := call(ctx)
		took := time.Since(sent)
		after := f.now.Load()
		if ctx.Err() != nil {
			return
		}
		switch {
		case err != nil:
			f.report.fault(fmt.Sprintf("%s: %v", protocol, err))
		case a.probability != f.right[a.version]:
			f.report.fault(fmt.Sprintf("%s: %v in the name of %q, which answers %v", protocol, a.probability, a.version, f.right[a.version]))
		case before == after && !before.may(a.arm, a.version):
			f.report.fault(fmt.Sprintf("%s: an answer of %s %q, while %+v", protocol, a.arm, a.version, *before))
		default:
			f.report.observe(protocol, before, after, took)
		}
	}
}
