package format

import (
	"serin/internal/model/gbdt"
	"serin/internal/model/onnx"
	"serin/internal/model/sklearn"
)

// The next steps that more than one refusal gives.
const (
	nextConvert  = "Convert the model to ONNX with the exporter of its library, or fit one of the models that serin reads: docs/formats.md lists them."
	nextDownload = "Download the file again: what arrived is not the model. A login page, an error or a redirect was saved in its place."
	nextJoblib   = "Give the model file itself: for scikit-learn what joblib.dump(model, path) wrote, for XGBoost and LightGBM what save_model wrote."
	nextUnpack   = "Unpack it first, and give the model file that is inside."
	nextONNX     = "Export the model: torch.onnx.export(model, example, \"model.onnx\")."
)

// kinds are the formats in the order in which they are asked for; the first
// that recognises the head has it. Pickles come last among the binary ones,
// since almost any byte may begin one.
var kinds = []kind{
	{name: "empty", is: func(head []byte) bool { return len(head) == 0 }, next: "Copy it again from where it was saved, and compare sizes."},

	// What downloads and checkouts leave in place of a model.
	{name: "a Git LFS pointer and not the model itself", is: starts("version https://git-lfs"), next: "Run git lfs pull where the repository was cloned, and give the file again."},
	{name: "PMML", is: markup("<pmml"), next: "PMML is out: serin does not read it. Give the model as its library saved it, or export it to ONNX."},
	{name: "an HTML page", is: markup("<!doctype html", "<html", "<head", "<body"), next: nextDownload},
	{name: "XML", is: markup("<"), next: nextDownload},

	// Models as text.
	{name: "a LightGBM model", is: starts("tree\n", "tree\r\n"), read: gbdt.LoadLightGBM, mark: "\nTree="},
	{name: "an XGBoost model", is: jsonWith("learner", "version"), read: gbdt.LoadXGBoost, mark: "tree_param"},
	{name: "an XGBoost model", is: ubj, read: gbdt.LoadXGBoost, mark: "tree_param"},
	{name: "a CatBoost model", is: jsonWith("oblivious_trees", "features_info", "model_info", "ctr_data", "trees", "scale_and_bias"), read: gbdt.LoadCatBoost, mark: `"leaf_weights"`},
	{name: "a dump of LightGBM's trees (dump_model), which leaves out what the answer needs", is: jsonWith("name", "tree_info"), next: "Save the model itself: booster.save_model(\"model.txt\")."},
	{name: "a dump of XGBoost's trees (dump_model), which leaves out what the answer needs", is: jsonList("nodeid"), next: "Save the model itself: booster.save_model(\"model.json\")."},
	{name: "JSON, but no model of XGBoost or CatBoost", is: func(head []byte) bool { return firstKey(head) != "" || jsonList("")(head) }, next: nextJoblib},

	// Models as bytes.
	{name: "a CatBoost model in its binary format (cbm)", is: starts("CBM1"), next: "Save it as JSON: model.save_model(\"model.json\", format=\"json\")."},
	{name: "an XGBoost model in its old binary format", is: oldXGBoost, read: gbdt.LoadXGBoost},
	{name: "an ONNX model", is: onnxModel, read: onnx.Load, hosted: onnx.LoadWith},
	{name: "a zip archive", is: starts("PK\x03\x04", "PK\x05\x06"), read: readZip},
	{name: "HDF5, as Keras writes it", is: starts("\x89HDF\r\n\x1a\n"), next: "Convert it with tf2onnx: python -m tf2onnx.convert --keras model.h5 --output model.onnx."},
	{name: "safetensors, weights without a model around them", is: safetensors, next: nextONNX},
	{name: "a checkpoint of a PyTorch older than 1.6", is: starts("\x80\x02\x8a\x0a\x6c\xfc\x9c\x46\xf9\x20\x6a\xa8\x50\x19"), next: nextONNX},
	{name: "a TensorFlow Lite model", is: func(head []byte) bool { return len(head) >= 8 && string(head[4:8]) == "TFL3" }, next: nextConvert},
	{name: "a GGUF file, the weights of a language model", is: starts("GGUF"), next: "serin serves models of tables only."},
	{name: "an array of numpy (npy)", is: starts("\x93NUMPY"), next: "Save the fitted model, not its arrays: joblib.dump(model, path)."},
	{name: "a Parquet table", is: starts("PAR1"), next: nextJoblib},
	{name: "an Arrow table", is: starts("ARROW1"), next: nextJoblib},
	{name: "an SQLite database", is: starts("SQLite format 3\x00"), next: nextJoblib},
	{name: "an R object (rds)", is: starts("RDX3\n", "RDX2\n", "X\n\x00\x00\x00"), next: nextConvert},
	{name: "a program", is: starts("\x7fELF", "MZ\x90", "#!"), next: nextJoblib},
	{name: "a PDF document", is: starts("%PDF"), next: nextJoblib},
	{name: "a tar archive", is: func(head []byte) bool { return len(head) > 262 && string(head[257:262]) == "ustar" }, next: nextUnpack},
	{name: "a tar archive or another file, compressed with gzip", is: gzipOf(func(inner []byte) bool { return len(inner) > 262 && string(inner[257:262]) == "ustar" }), next: nextUnpack},
	{name: "JSON or text, compressed with gzip", is: gzipOf(func(inner []byte) bool {
		return inner[0] == '{' || inner[0] == '<' || plainText(inner) && !textPickle(inner)
	}), next: "Unpack it first: gunzip FILE.gz."},
	{name: "zstd data", is: starts("\x28\xb5\x2f\xfd"), next: nextUnpack},
	{name: "a 7z archive", is: starts("7z\xbc\xaf"), next: nextUnpack},

	{name: "the description of an MLflow model (MLmodel)", is: starts("artifact_path:", "flavors:"), next: "Give the model file beside it: model.pkl, model.xgb, model.onnx."},
	{name: "plain text", is: func(head []byte) bool { return plainText(head) && !textPickle(head) }, next: nextJoblib},
}

// unknown is everything else: pickles of every protocol, plain or compressed. A
// refusal of theirs names the byte that is wrong.
var unknown = kind{name: "a pickle", read: sklearn.Load}
