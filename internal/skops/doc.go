// Package skops reads the files of skops.io.dump, from anybody, and hands on
// the same inert values that package pickle reads from a joblib file of the
// same estimator. It runs nothing.
//
// A skops file is a zip archive. Its schema.json is a tree of nodes, each with
// the name of a loader, of a class, and with content; the numbers are in files
// beside it that the nodes name:
//
//	model.skops
//	├─ schema.json    {"__loader__": "ObjectNode", "__class__": "Ridge", "__module__": ...,
//	│                  "content": {"__loader__": "DictNode", "content": {"coef_":
//	│                     {"__loader__": "NdArrayNode", "type": "numpy", "file": "1403.npy"}, ...}}}
//	├─ 1403.npy       an array
//	├─ 1404.npz       a sparse matrix: a zip archive of .npy files
//	└─ 1405.bin       bytes
//
//	bytes ── archive.go ──> files ── schema.go ──> nodes ── nodes.go ──> pickle.Value
//	         names, sizes,           JSON, ordered,         loaders.go   checked as pickle's are
//	         checksums, ratio        bounded
//
// skops itself imports the named modules and calls constructors, after it has
// asked its user whom to trust. Here a name is looked up in the allow-list that
// the caller gives, the very one for pickles, and nothing is imported or called.
//
// A node has an __id__; one that was seen before is the same value again.
//
// What may not happen here, whatever the bytes are: a panic; an allocation
// whose size comes from a number in the file; a file of the archive that is
// read twice, or whose checksum is not compared; a value that contains itself.
//
// The format is that of skops/io in skops 0.3 to 0.16, protocols 0 to 2.
//
// Terms: a loader is skops' word for a kind of node. An entry is one file in
// the archive.
package skops
