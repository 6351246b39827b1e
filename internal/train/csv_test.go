package train

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestReadCSV(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text string
		want       Dataset
	}{
		{"integers", "a,churned,b\n1,0,2\n3,1,4\n", Dataset{[]string{"a", "b"}, []float64{1, 2, 3, 4}, []bool{false, true}, [2]any{int64(0), int64(1)}}},
		{"the higher class first", "a,churned\n1,7\n2,-3\n", Dataset{[]string{"a"}, []float64{1, 2}, []bool{true, false}, [2]any{int64(-3), int64(7)}}},
		{"words", "churned,a\nyes,1\nno,2\nyes,3\n", Dataset{[]string{"a"}, []float64{1, 2, 3}, []bool{true, false, true}, [2]any{"no", "yes"}}},
		{"booleans", "churned,a\nTrue,1\nfalse,2\n", Dataset{[]string{"a"}, []float64{1, 2}, []bool{true, false}, [2]any{false, true}}},
		{"spaces, quotes, CRLF, byte order mark", "\ufeff\"a\", churned\r\n 1.5e3 ,0\r\n\"-.5\", 1\r\n", Dataset{[]string{"a"}, []float64{1500, -0.5}, []bool{false, true}, [2]any{int64(0), int64(1)}}},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadCSV(strings.NewReader(tt.text), "churned")
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(tt.want, got); diff != "" {
				t.Error(diff)
			}
		})
	}
}

func TestReadCSVRefuses(t *testing.T) {
	t.Parallel()
	tests := []struct {
		name, text, want string
	}{
		{"empty", "", "the file is empty"},
		{"header only", "a,churned\n", "0 different values in 0 rows"},
		{"no target", "a,b\n1,2\n", `no column is called "churned"; the header row has "a", "b"`},
		{"semicolons", "a;churned\n1;0\n", `the header row has "a;churned" (columns are separated by commas)`},
		{"only the target", "churned\n1\n", "the only column"},
		{"nameless column", "a,,churned\n", "column 2 of the header row has no name"},
		{"same name", "a,a,churned\n", `two columns are called "a"`},
		{"ragged", "a,churned\n1,0\n1\n", "each row needs the header's 2 columns"},
		{"open quote", "a,churned\n\"1,0\n", "quotes come in pairs"},
		{"word", "a,churned\n1,0\nhigh,1\n", `line 3, column "a" is "high", not a number`},
		{"empty cell", "a,churned\n,0\n1,1\n", `line 2, column "a" is empty; fill it in`},
		{"NaN", "a,churned\nnan,0\n1,1\n", `line 2, column "a" is "nan", not a number`},
		{"infinity", "a,churned\ninf,0\n1,1\n", `line 2, column "a" is "inf", beyond the range`},
		{"1e400", "a,churned\n1e400,0\n1,1\n", `line 2, column "a" is "1e400", beyond the range`},
		{"missing class", "a,churned\n1,\n2,1\n", `line 2, column "churned" is empty`},
		{"third class", "a,churned\n1,0\n2,1\n3,2\n", `line 4, column "churned" is "2", a third class after "0" and "1"`},
		{"one class", "a,churned\n1,0\n2,0\n", "1 different values in 2 rows"},
		{"fractional classes", "a,churned\n1,0.0\n2,1.0\n", "write whole numbers such as 0 and 1"},
		{"one number, two ways", "a,churned\n1,1\n2,01\n", "are the same number"},
		{"one truth, two ways", "a,churned\n1,true\n2,True\n", "mean the same"},
		{"too wide", strings.Repeat("a,", 1001) + "churned\n", "two columns are called"},
	}
	for _, tt := range tests {
		t.Run(tt.name, func(t *testing.T) {
			t.Parallel()
			got, err := ReadCSV(strings.NewReader(tt.text), "churned")
			if err == nil || !strings.Contains(err.Error(), tt.want) {
				t.Errorf("ReadCSV = %+v, error %v; want %q", got, err, tt.want)
			}
		})
	}
}

// Every bad cell is told, ten of them, then their number.
func TestReadCSVTellsEveryBadCell(t *testing.T) {
	t.Parallel()
	_, err := ReadCSV(strings.NewReader("a,churned\n"+strings.Repeat("x,0\n", 15)), "churned")
	if err == nil {
		t.Fatal("read a table of words")
	}
	lines := strings.Split(err.Error(), "\n")
	if len(lines) != 11 || !strings.HasPrefix(lines[9], `line 11, column "a"`) || lines[10] != "and 5 more" {
		t.Errorf("told %d lines: %v", len(lines), err)
	}
}

// Whatever the bytes, an error or a table that Fit can check: no panic.
func FuzzReadCSV(f *testing.F) {
	for _, seed := range []string{
		"a,churned,b\n1,0,2\n3,1,4\n", "churned,a\nyes,1\nno,2\n", "a,churned\n\"1\n2\",true\n", "\ufeffa,churned\r\n1e400,0\r\n", "",
	} {
		f.Add(seed)
	}
	f.Fuzz(func(t *testing.T, text string) {
		d, err := ReadCSV(strings.NewReader(text), "churned")
		if err != nil {
			return
		}
		if err := d.check(); err != nil {
			t.Errorf("ReadCSV returned a table that cannot be fitted: %v", err)
		}
	})
}
