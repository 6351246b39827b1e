package onnx

import "serin/internal/model/graph"

const learned = "ai.onnx.ml" // the domain of fitted estimators

func fitted(op string) graph.Name { return graph.Name{Domain: learned, Op: op} }

// operators are those that hold what was fitted, and those that read texts.
var operators = map[graph.Name]func(*graph.Call){
	{Op: "StringNormalizer"}:                   stringNormalizer,
	{Op: "TfIdfVectorizer"}:                    tfIdf,
	{Domain: "com.microsoft", Op: "Tokenizer"}: tokenizer,
	fitted("Binarizer"):                        binarizer,
	fitted("CategoryMapper"):                   labelEncoder,
	fitted("FeatureVectorizer"):                featureVectorizer,
	fitted("Imputer"):                          imputer,
	fitted("LabelEncoder"):                     labelEncoder,
	fitted("LinearClassifier"):                 linearClassifier,
	fitted("LinearRegressor"):                  linearRegressor,
	fitted("Normalizer"):                       normalizer,
	fitted("OneHotEncoder"):                    oneHotEncoder,
	fitted("Scaler"):                           scaler,
	fitted("SVMClassifier"):                    svmClassifier,
	fitted("SVMRegressor"):                     svmRegressor,
	fitted("TreeEnsemble"):                     treeEnsemble,
	fitted("TreeEnsembleClassifier"):           treeClassifier,
	fitted("TreeEnsembleRegressor"):            treeRegressor,
	fitted("ZipMap"):                           zipMap,
}
