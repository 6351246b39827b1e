package gbdt

import (
	"math"
	"strconv"

	"github.com/go-json-experiment/json/jsontext"

	"serin/internal/model"
)

// newCategories makes the codes of some labels, which are all strings or all
// numbers. A label that is there twice is a mistake, told by ok.
func newCategories(texts []string, numbers []float64, strict bool) (c categories, ok bool) {
	c.strict = strict
	if texts != nil {
		c.texts = make(map[string]float64, len(texts))
		for i, text := range texts {
			c.texts[text] = float64(i)
			c.labels = append(c.labels, textLabel(text))
		}
		return c, len(c.texts) == len(texts)
	}
	c.numbers = make(map[float64]float64, len(numbers))
	for i, x := range numbers {
		c.numbers[x] = float64(i)
		c.labels = append(c.labels, numberLabel(x))
	}
	return c, len(c.numbers) == len(numbers)
}

func numberLabel(x float64) model.Label { return model.Label(strconv.FormatFloat(x, 'g', -1, 64)) }

func textLabel(text string) model.Label {
	quoted, err := jsontext.AppendQuote(nil, text)
	if err != nil { // invalid UTF-8 is replaced
		return model.Label(quoted)
	}
	return model.Label(quoted)
}

// readCategories reads the re-coder that XGBoost keeps since 3.1
// (src/data/cat_container.cc): for each feature, nothing, strings one after the
// other with their offsets, or whole numbers. An unknown value is an error
// there. It is nil where no feature has any.
func readCategories(p part) []categories {
	columns := p.at("enc").parts()
	all := make([]categories, len(columns))
	some := false
	for i, column := range columns {
		values := column.at("values").numbers()
		if column.has("offsets") {
			all[i] = textCategories(column, values)
		} else {
			for _, x := range values {
				if x != math.Trunc(x) || math.Abs(x) > 1<<53 {
					column.fail("%v is no category", x)
				}
			}
			if len(values) > 0 {
				all[i] = unique(column, nil, values)
			}
		}
		some = some || !all[i].none()
	}
	if !some {
		return nil
	}
	return all
}

func textCategories(column part, values []float64) categories {
	offsets := column.at("offsets").numbers()
	if len(offsets) < 2 {
		return categories{}
	}
	bytes := make([]byte, len(values))
	for i, x := range values { // written as int8
		if x != math.Trunc(x) || x < -128 || x > 255 {
			column.fail("%v is no byte", x)
			return categories{}
		}
		bytes[i] = byte(int(x))
	}
	var texts []string
	for i, from := range offsets[:len(offsets)-1] {
		end := column.whole(offsets[i+1], len(bytes))
		begin := column.whole(from, end)
		if column.in.err != nil {
			return categories{}
		}
		texts = append(texts, string(bytes[begin:end]))
	}
	return unique(column, texts, nil)
}

func unique(p part, texts []string, numbers []float64) categories {
	c, ok := newCategories(texts, numbers, true)
	if !ok {
		p.fail("a category is there twice")
	}
	return c
}
