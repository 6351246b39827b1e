// Package infer is the front door: a prediction request from bytes to bytes.
//
//	POST /predict --decode--> row --route.Pick--> arm --Predict--> probabilities
//	                 |                              |                    |
//	              a problem                     slowdown (drill)   record: Observe, or Fail,
//	                                           record.Begin         and Abandon if the client has gone
//	                                                                     |
//	              reply  <--------------------encode---------------------+
//
// Decoding has two halves. The fast one (row.go) reads the one body that
// almost every client sends, {"features": [numbers]}, in one pass and without
// allocation; whatever it does not recognise goes to the precise one
// (document.go), which knows names, finds the field that is wrong, and is the
// definition of what is accepted. A fuzz test holds the two together.
//
// What may not happen here: a lock that all requests share, a disk, control
// code; a refused request that counts for or against an arm; an answer that is
// not valid JSON.
package infer
