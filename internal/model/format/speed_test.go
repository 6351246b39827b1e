package format

import (
	"encoding/binary"
	"math"
	"os"
	"path/filepath"
	"slices"
	"testing"
	"time"

	"serin/internal/model"
)

// BenchmarkSpeed measures the models that bench/models/run made: one row at a
// time, a different one each time, and all rows at once. SERIN_SPEED is their
// folder: NAME/model.SUFFIX, and NAME/rows.f64, little-endian float64.
func BenchmarkSpeed(b *testing.B) {
	folders := speedFolders(b)
	for _, folder := range folders {
		b.Run(filepath.Base(folder), func(b *testing.B) {
			p := openAt(b, speedModel(b, folder))
			all, s := speedRows(b, folder, len(p.Signature().Features)), p.Signature()
			width, i := len(s.Features), 0
			b.Run("row", func(b *testing.B) {
				out := answers(s, make([]float64, s.Outputs), make([]int, 1))
				median(b, 64, func() error {
					i = (i + 1) % all.N
					return p.Predict(model.Row(all.Numbers[i*width:(i+1)*width]), out)
				})
			})
			b.Run("batch", func(b *testing.B) {
				out := answers(s, make([]float64, all.N*s.Outputs), make([]int, all.N))
				median(b, 1, func() error { return p.Predict(all, out) })
			})
		})
	}
}

// median calls ask, some calls at a time, and reports the median of what a call
// took: on a busy machine the mean tells what the others do.
func median(b *testing.B, calls int, ask func() error) {
	b.Helper()
	b.ReportAllocs()
	took := make([]float64, 0, 1<<20)
	for b.Loop() {
		begin := time.Now()
		for range calls {
			if err := ask(); err != nil {
				b.Fatal(err)
			}
		}
		if elapsed := time.Since(begin); len(took) < cap(took) {
			took = append(took, float64(elapsed.Nanoseconds())/float64(calls))
		}
	}
	slices.Sort(took)
	b.ReportMetric(took[len(took)/2], "median-ns")
}

// BenchmarkLoad measures the time from a file on disk to a model that answers.
func BenchmarkLoad(b *testing.B) {
	for _, folder := range speedFolders(b) {
		b.Run(filepath.Base(folder), func(b *testing.B) {
			path := speedModel(b, folder)
			for b.Loop() {
				openAt(b, path)
			}
		})
	}
}

func speedFolders(b *testing.B) []string {
	b.Helper()
	root := os.Getenv("SERIN_SPEED")
	if root == "" {
		b.Log("nothing to measure: bench/models/run makes models and sets SERIN_SPEED")
		return nil
	}
	folders, err := filepath.Glob(filepath.Join(root, "*"))
	if err != nil || len(folders) == 0 {
		b.Fatalf("%s holds no models (error %v)", root, err)
	}
	return folders
}

func speedModel(b *testing.B, folder string) string {
	b.Helper()
	paths, err := filepath.Glob(filepath.Join(folder, "model.*"))
	if err != nil || len(paths) != 1 {
		b.Fatalf("%s has %d models (error %v)", folder, len(paths), err)
	}
	return paths[0]
}

func openAt(b *testing.B, path string) model.Predictor {
	b.Helper()
	f, err := os.Open(path)
	if err != nil {
		b.Fatal(err)
	}
	defer f.Close()
	p, err := Open(f, Options{})
	if err != nil {
		b.Fatal(err)
	}
	return p
}

func speedRows(b *testing.B, folder string, width int) model.Rows {
	b.Helper()
	data, err := os.ReadFile(filepath.Join(folder, "rows.f64"))
	if err != nil || len(data) == 0 || len(data)%(8*width) != 0 {
		b.Fatalf("%s: %d bytes for rows of %d numbers (error %v)", folder, len(data), width, err)
	}
	numbers := make([]float64, len(data)/8)
	for i := range numbers {
		numbers[i] = math.Float64frombits(binary.LittleEndian.Uint64(data[8*i:]))
	}
	return model.Rows{N: len(numbers) / width, Numbers: numbers}
}
