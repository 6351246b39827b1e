// Package rows is the counter: rows as people write them are taken in, answers
// are handed out, and one is held against the other.
//
//	a JSON array, a JSON object by name, a CSV record
//	      | Schema: what this model's rows are
//	      v
//	    Batch --Predict--> answers --Source.Answer--> {"probabilities": [...], "prediction": 1}
//	      |                   |
//	      |                   +--Check--> the answers that the writing library gave (golden predictions)
//	      +--> *Fault: which value is wrong, and what to send instead
//
// Everybody who takes rows takes them here: the server's requests, files of
// rows, golden predictions. So there is one definition of what a row is: numbers,
// strings where a feature is text, true or false where it is a bool, null where
// it may be missing.
//
// What may not happen here: a value that is guessed. A number in quotes, a name
// that the model does not know, a column that is not there are faults. A row
// that is at fault leaves nothing in its batch.
//
// Terms: a row is the feature values of one request. Golden predictions are rows
// with the answers that the library which fitted the model gave to them.
package rows
