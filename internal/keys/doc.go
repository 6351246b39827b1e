// Package keys is the keys: who may do what. It knows people and programs by a
// token or a certificate, and routes by one table; it knows nothing of models but
// their names.
//
//	a request ---> which route? ------> Rule: a right, and whose model
//	    \                                        |
//	     token, certificate, or session          v
//	        \---> which Key? ---------------> Guard.Admit ---> the key, or a Refusal
//
// One file has all keys, a line each; a token is in it as its SHA-256 only:
//
//	ci    role=deployer  models=churn,fraud  expires=2027-01-01  sha256=9f86d0...
//	edge  role=predictor models=*            cert=dns:edge.example
//
// What may not happen: a route without a rule that answers anybody; a right that
// follows from a method, a prefix or an order of rules, and not from a row of the
// table; a token that is written to a log, an error or the disk; a broken new file
// that locks everybody out, or lets anybody in: the keys before it stay.
//
// A token has 256 random bits. So it is hashed once, not slowly as a password is,
// and looked up by its hash: who measures the look-up learns of a hash, which he
// cannot steer and which opens nothing.
//
// Terms: a right is what a route asks for, a role is a set of rights, the scope of
// a key are the models that it is for. A ring is all keys in force. A session is
// what a browser has instead of the token, for some hours.
package keys
