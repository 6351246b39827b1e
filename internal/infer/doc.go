// Package infer is the front door: a prediction request from bytes to bytes, by
// POST /predict (handler.go), as a stream of rows (stream.go), and in the words of
// other model servers over HTTP (protocols.go, v1.go, v2.go, scoring.go) and gRPC
// (rpc.go, wire.go). All of them share what is between the words:
//
//	request --gate--decode--> row --route.Pick--> arm --Predict--> probabilities
//	           |     |                               |                   |
//	       too busy  a problem                  record.Begin       slowdown (drill),
//	                                                               record: Observe, or Fail,
//	                                                               and Abandon if the client has gone
//	                                                                     |
//	        reply  <--------------------encode---------------------------+
//
// The gate (gate.go) bounds what is under way and what waits, and a deadline
// (deadline.go) how long. Why there is no answer is said once (trouble.go), and by
// each protocol in its own words. Decoding has two
// halves. The fast one (row.go) reads the one body that
// almost every client sends, {"features": [numbers]}, in one pass and without
// allocation; whatever it does not recognise goes to the precise one
// (document.go), which knows names, finds the field that is wrong, and is the
// definition of what is accepted. Fuzz tests hold them, and the readers
// of the other protocols, to a plain reading with encoding/json (plain_test.go).
//
// What may not happen here: a lock that all requests share, a disk, control
// code; a refused request that counts for or against an arm; an answer that is
// not valid JSON.
package infer
