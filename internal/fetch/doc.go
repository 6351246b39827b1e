// Package fetch is the porter: it brings a file from elsewhere, and need not know what
// it is.
//
//	"s3://bucket/churn/7.onnx#sha256=..." --Parse--> Reference
//	    --> below a source that the operator configured?        else refused, nothing is dialled
//	    --> opened: s3, gs, azblob, https, file, or models (MLflow, which names one of the others)
//	          every address is checked when it is dialled, every redirect like a reference
//	    --> Parcel: bytes, counted against a limit, hashed, against the clock
//
// # Model
//
// A Reference is read once, into a scheme, a host and a path in plain text, and what is
// asked for is written from these parts. So what was compared with the sources is what
// is fetched: there is no second reading that could see another thing in it. What two
// readers could read differently is refused: dots, empty segments, escapes that hide a
// separator, user names, queries.
//
// A source is a reference without its end. It covers what is below it, by whole
// segments: s3://bucket/churn covers s3://bucket/churn/7.onnx, and not
// s3://bucket/churn-old/7.onnx.
//
// A host is a name that somebody else may point to where he likes. So it is not the name
// that is checked but the address, in the moment when it is dialled, after which nobody
// can change it. Addresses that only this machine or its network reaches are refused,
// unless a source names them as numbers, or their host is said to be private. The addresses
// at which clouds tell a machine its secrets are refused to every name.
//
// Hosts of object stores and of MLflow's server are not chosen by who asks, but by the
// operator, in the variables that their own tools read. They may be private.
//
// # What may not happen
//
// A request to a place that no source covers, whatever a redirect or MLflow's answer says. A
// token that is sent to another place than it was given for. More bytes than the limit, or
// a transfer without end. A digest that was asked for and did not match, with an end of
// file that looks right.
//
// Terms: a reference names one file elsewhere; a source is a place that references may
// name; a parcel is a file on its way; a wall is what is between us and an address.
package fetch
