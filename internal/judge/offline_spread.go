package judge

import (
	"math"
	"time"

	"serin/internal/record"
	"serin/internal/stats/anytime"
)

// Distribution is what is known of one arm's latencies.
type Distribution struct {
	// Band is how far the observed shares of latencies below any value may be from
	// the true ones, everywhere at once, with probability 1 - alpha. At 1 nothing
	// is known.
	Band float64 `json:"band"`
	// Quantiles are p50, p90, p95 and p99.
	Quantiles []Quantile `json:"quantiles"`

	arm record.Arm
}

// Quantile is the latency below which a share of an arm's latencies lies, in
// milliseconds; null where nothing was observed. With probability 1 - alpha all
// of an arm's true quantiles are from LowerMS to UpperMS, at any number of looks.
// Either is null where the band has no end: so few latencies say nothing of a
// quantile that far out.
type Quantile struct {
	Share   float64  `json:"share"`
	MS      *float64 `json:"ms"`
	LowerMS *float64 `json:"lower_ms"`
	UpperMS *float64 `json:"upper_ms"`
}

func distributionOf(a *record.Arm, alpha float64) Distribution {
	d := Distribution{Band: anytime.CDFRadius(a.Count, alpha), arm: *a}
	for _, share := range []float64{0.5, 0.9, 0.95, 0.99} {
		d.Quantiles = append(d.Quantiles, d.quantile(share))
	}
	return d
}

// quantile inverts the band: where the observed share is below q - radius, the
// true one is below q. The ends are those of the buckets that they lie in, for
// within a bucket nothing is known.
func (d *Distribution) quantile(q float64) Quantile {
	found := Quantile{Share: q}
	if d.arm.Count == 0 {
		return found
	}
	at := d.At(q)
	found.MS = &at
	if q-d.Band > 0 {
		low, _ := d.around(q - d.Band)
		found.LowerMS = &low
	}
	if q+d.Band < 1 {
		_, high := d.around(q + d.Band)
		found.UpperMS = &high
	}
	return found
}

// around is the bucket, in ms, that a quantile lies in.
func (d *Distribution) around(q float64) (low, high float64) {
	low, high = record.BucketRange(record.BucketOf(time.Duration(d.arm.Quantile(q))))
	return ms(low), ms(high)
}

// At is the observed quantile in ms, 0 <= q <= 1; NaN when nothing was observed.
func (d *Distribution) At(q float64) float64 { return ms(d.arm.Quantile(q)) }

// Below is the share of the latencies that lies below so many ms; 0 when nothing
// was observed. Within a bucket latencies are taken to be spread evenly on a
// scale of logarithms.
func (d *Distribution) Below(limit float64) float64 {
	ns, below := limit*float64(time.Millisecond), 0.0
	for i, n := range d.arm.Latencies() {
		low, high := record.BucketRange(i)
		if low >= ns {
			break
		}
		part := 1.0
		switch {
		case high <= ns:
		case low == 0:
			part = ns / high
		default:
			part = math.Log(ns/low) / math.Log(high/low)
		}
		below += part * float64(n)
	}
	return below / math.Max(1, float64(d.arm.Count))
}
