package main

import (
	"context"
	"errors"
	"os/exec"
	"regexp"
	"slices"
	"strconv"
	"time"
)

// The connections of the two closed loops, and of the open one: enough that a
// request is not late for want of a connection.
const (
	few  = 16
	many = 64
)

// series is what was seen of a service, a value of each kind for every round that
// it took part in. Rounds line up: what belongs together has the same index.
type series struct {
	*service

	few, many []*loaded // at saturation
	half      []*loaded // at half the rate of few
	cpu       []float64 // seconds of CPU per million predictions, of few
	rss       int64     // the most that was resident in many, bytes
	rate      float64   // of half
	// floorHalf is the floor at the rate of half, beside it.
	floorHalf []*loaded
}

// takeTurns measures the services round by round, a phase at a time. What the fast
// ones are compared in differs by a few parts in a hundred, and the machine by more
// from one second to the next: so theirs are many short slices, there and back.
func takeTurns(ctx context.Context, s settings, k *kit, services []*service, tell *reporter) ([]*series, error) {
	all := make([]*series, len(services))
	for i, service := range services {
		all[i] = &series{service: service}
		if _, err := k.predictions(ctx, service, time.Second, few, 0); err != nil {
			return nil, err // the warm-up
		}
	}
	fast, slow := all[:withCanary+1], all[withCanary+1:]
	for round := range s.rounds {
		for _, phase := range []func(one *series) []slice{
			func(one *series) []slice { return []slice{{one.saturate, &one.few}} },
			func(one *series) []slice { return []slice{{one.crowd, &one.many}} },
			func(one *series) []slice { return one.stroll(all[floor]) },
		} {
			var there []slice
			for turn := range fast {
				there = append(there, phase(fast[(round+turn)%len(fast)])...)
			}
			if err := thereAndBack(ctx, k, s.slice, there); err != nil {
				return nil, err
			}
			for _, one := range slow {
				if round%sparse != 0 {
					continue
				}
				for _, m := range phase(one) {
					r, err := m.measure(ctx, k, s.duration)
					if err != nil {
						return nil, err
					}
					*m.into = append(*m.into, r)
				}
			}
		}
		for _, one := range fast {
			last := len(one.few) - 1
			p99 := float64(one.half[last].latencies.ValueAtQuantile(99)) / 1e6
			tell.say("round %d of %d: %-28s %6.0f/s, %6.0f/s, p99 %6.2f ms at %.0f/s", round+1, s.rounds, one.name, one.few[last].Rate, one.many[last].Rate, p99, one.rate)
		}
	}
	for _, one := range all {
		one.cpu = values(one.few, func(l *loaded) float64 { return 1e6 * l.cpu / float64(l.Requests) })
	}
	return all, nil
}

// slice is one measurement of a round, and where its result goes.
type slice struct {
	measure func(ctx context.Context, k *kit, duration time.Duration) (*loaded, error)
	into    *[]*loaded
}

// thereAndBack measures slices in their order and in the reverse, and takes both of
// each as one: a machine that steadily gets slower or faster favours none.
func thereAndBack(ctx context.Context, k *kit, duration time.Duration, slices []slice) error {
	results := make([]*loaded, len(slices))
	for turn := range 2 * len(slices) {
		i := min(turn, 2*len(slices)-1-turn)
		r, err := slices[i].measure(ctx, k, duration)
		if err != nil {
			return err
		}
		if results[i] != nil {
			r = results[i].and(r)
		}
		results[i] = r
	}
	for i, s := range slices {
		*s.into = append(*s.into, results[i])
	}
	return nil
}

// saturate finds how much the service can do, and what it costs.
func (s *series) saturate(ctx context.Context, k *kit, duration time.Duration) (*loaded, error) {
	return k.predictions(ctx, s.service, duration, few, 0)
}

// crowd is saturation with more connections, and looks at the memory meanwhile.
func (s *series) crowd(ctx context.Context, k *kit, duration time.Duration) (*loaded, error) {
	watching, enough := context.WithCancel(ctx)
	most := make(chan int64)
	go func() {
		tick := time.NewTicker(100 * time.Millisecond)
		defer tick.Stop()
		var rss int64
		for {
			select {
			case <-tick.C:
				rss = max(rss, familyOf(s.cmd.Process.Pid).rss())
			case <-watching.Done():
				most <- rss
				return
			}
		}
	}()
	r, err := k.predictions(ctx, s.service, duration, many, 0)
	enough()
	s.rss = max(s.rss, <-most)
	return r, err
}

// stroll is half of what the service could do in the first round, at fixed times;
// of serin with the floor at that rate beside it.
func (s *series) stroll(lowest *series) []slice {
	if s.rate == 0 {
		s.rate = s.few[0].Rate / 2
	}
	at := func(one *service) func(context.Context, *kit, time.Duration) (*loaded, error) {
		return func(ctx context.Context, k *kit, duration time.Duration) (*loaded, error) {
			return k.predictions(ctx, one, duration, many, s.rate)
		}
	}
	if s.slow || s == lowest {
		return []slice{{at(s.service), &s.half}}
	}
	return []slice{{at(s.service), &s.half}, {at(lowest.service), &s.floorHalf}}
}

// measureStarts starts a service again and again and says how long each took until
// its first prediction, in milliseconds.
func measureStarts(ctx context.Context, p plan, times int, tell *reporter) ([]float64, error) {
	var took []float64
	for range times {
		s, err := start(ctx, p)
		if err != nil {
			return nil, err
		}
		took = append(took, float64(s.took.Microseconds())/1000)
		if err := s.stop(); err != nil {
			return nil, err
		}
	}
	slices.Sort(took)
	tell.say("%s starts within %.0f to %.0f ms", p.name, took[0], took[len(took)-1])
	return took, nil
}

// batch is what was seen of a model with batches of 1,000 rows, in rows a second.
type batch struct {
	model             string
	bare, grpc, plain []float64 // the model alone, over gRPC, in binary tensors
	// How many rows serin answers in a second of its own CPU, whatever its client
	// has the patience for.
	grpcCPU, plainCPU []float64
}

// lightWork is what a batch must take the model alone, for its transport to be
// compared with it: some microseconds more than a socket needs to hand it over.
const lightWork = 100 * time.Microsecond

// alone is how long a batch takes the model alone.
func (b *batch) alone() time.Duration {
	return time.Duration(batchRows / median(b.bare) * float64(time.Second))
}

// light tells of a model that does nearly nothing.
func (b *batch) light() bool { return b.alone() < lightWork }

// batchModels are what services/batches.py makes.
var batchModels = []string{"logistic-regression", "gradient-boosting", "random-forest"}

const (
	batchRows        = 1000
	batchConnections = 4
	batchRounds      = 7
)

// measureBatches measures the models of 20 features, in turns: alone, over gRPC,
// and in binary tensors over HTTP.
func measureBatches(ctx context.Context, s settings, k *kit, tell *reporter) ([]batch, error) {
	if k.pythons["fastapi"] == "" {
		return nil, nil // nobody could fit the models, which was told
	}
	var all []batch
	for _, model := range batchModels {
		b, err := measureBatch(ctx, s, k, model)
		if err != nil {
			return nil, err
		}
		tell.say("batches, %s: alone %.0f rows/s, gRPC %.0f, V2 binary %.0f", model, median(b.bare), median(b.grpc), median(b.plain))
		all = append(all, *b)
	}
	return all, nil
}

func measureBatch(ctx context.Context, s settings, k *kit, model string) (b *batch, err error) {
	var grpc string
	running, err := start(ctx, plan{
		name: "serin with " + model, path: "/predict", body: []byte(`{"features": [0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0,0]}`),
		command: func(port, dir string, further func() string) (arguments, env []string) {
			grpc = "127.0.0.1:" + further()
			return []string{k.serin(), "serve", "--listen", "127.0.0.1:" + port, "--grpc-listen", grpc, "--data", dir, "--model", k.models() + "/" + model + "/model.joblib"},
				[]string{"GOMAXPROCS=1"}
		},
	})
	if err != nil {
		return nil, err
	}
	defer func() { err = errors.Join(err, running.stop()) }()
	b = &batch{model: model}
	rounds, duration := batchRounds, s.duration/2
	if s.short {
		rounds, duration = 1, s.duration
	}
	for range rounds {
		bare, err := k.alone(ctx, model, duration)
		if err != nil {
			return nil, err
		}
		b.bare = append(b.bare, bare)
		for _, side := range []struct {
			protocol, server string
			rate, cpu        *[]float64
		}{{"grpc", grpc, &b.grpc, &b.grpcCPU}, {"v2-binary", running.addr, &b.plain, &b.plainCPU}} {
			before := familyOf(running.cmd.Process.Pid).cpu()
			r, err := k.load(ctx, "http://"+side.server, duration, batchConnections, "--protocol", side.protocol, "--rows", strconv.Itoa(batchRows), "--data", k.rows())
			if err != nil {
				return nil, err
			}
			*side.rate = append(*side.rate, r.Rate*batchRows)
			*side.cpu = append(*side.cpu, float64(r.Requests)*batchRows/(familyOf(running.cmd.Process.Pid).cpu()-before))
		}
	}
	return b, nil
}

var perBatch = regexp.MustCompile(`/batch\s+\d+\s+([\d.e+]+) ns/op`)

// alone is how many rows a second the model answers in its own process, without a
// server, on one processor.
func (k *kit) alone(ctx context.Context, model string, duration time.Duration) (float64, error) {
	c := exec.CommandContext(ctx, k.bare(), "-test.run=^$", "-test.bench=^BenchmarkSpeed$/^"+model+"$/^batch$", "-test.benchtime="+duration.String(), "-test.cpu=1")
	c.Env = append(c.Environ(), "SERIN_SPEED="+k.models())
	said, err := c.CombinedOutput()
	if err != nil {
		return 0, errors.Join(ctx.Err(), err)
	}
	found := perBatch.FindSubmatch(said)
	if found == nil {
		return 0, errors.New("the model alone was not measured: " + string(said))
	}
	ns, err := strconv.ParseFloat(string(found[1]), 64)
	return batchRows * 1e9 / ns, err
}
