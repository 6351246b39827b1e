// Package words takes texts apart the way scikit-learn's vectorizers do
// (sklearn/feature_extraction/text.py): into words and runs of words, or into
// runs of characters.
//
//	text --fold.go--> lower case, without accents --tokens.go--> tokens --split.go--> grams
//	                                                pattern.go
//
// Python's rules of Unicode hold: what a letter and a space is, what the lower
// case of a text is. Grams are pieces of one buffer, so that nothing is allocated
// once it has grown.
//
// A token pattern is a regular expression in the file. It is never run as one:
// the forms that people write (a class of characters, so and so many times,
// between word boundaries) are understood, any other is an error.
//
// What may not happen here: a panic, whatever the text; a gram that scikit-learn
// would not make. Texts are taken as UTF-8; a byte that is none stands for U+FFFD.
//
// Terms: a gram is what is counted or hashed: one or more tokens, separated by
// spaces, or some characters.
package words
