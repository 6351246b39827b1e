//go:build linux && amd64

package single

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"path/filepath"
	"testing"
)

// TestAFileChangesWhileItIsLoaded deploys a large file while somebody replaces, cuts,
// overwrites and removes it, all the time. Each deploy is refused, or what serves is
// one of the files that were there as a whole. Predictions do not notice.
func TestAFileChangesWhileItIsLoaded(t *testing.T) {
	t.Parallel()
	h := newHome(t, "--initial-delay", "0s", "--weight", "50%")
	whole := map[string]bool{}
	var files [][]byte
	for i, trees := range []int{1, 200, 200} {
		text := forest(t, uint64(i), trees, 7)
		sum := sha256.Sum256(text)
		files, whole[hex.EncodeToString(sum[:])] = append(files, text), true
	}
	path := filepath.Join(h.folder, "models", "forest.json")
	put(t, path, files[0])
	h.flags = append(h.flags, "--model", "churn=models/forest.json")
	s := h.start(binary(t))

	stop, stopped := make(chan struct{}), make(chan struct{})
	go func() {
		defer close(stopped)
		restless(path, files[1:], stop)
	}()
	served, refused := 0, 0
	times := 15
	if every() {
		times = 100
	}
	for range times {
		a := post(s, deploy.path, `{"model_path": "models/forest.json", "force": true, "reason": "a test"}`)
		switch {
		case a.status == http.StatusOK:
			served++
			var said struct {
				Rollout struct {
					Canary struct {
						SHA256 string `json:"sha256"`
					} `json:"canary"`
				} `json:"rollout"`
			}
			if err := json.Unmarshal([]byte(a.text), &said); err != nil || !whole[said.Rollout.Canary.SHA256] {
				t.Errorf("a file serves that never was there as a whole: %s %v", a.text, err)
			}
			h.predicted(s)
			h.must(s, revert.path, revert.body)
		case a.status == http.StatusNotFound || a.status == http.StatusUnprocessableEntity || a.status == http.StatusConflict:
			refused++
			if now := h.stands(s).String(); now != "idle with forest and no canary" {
				t.Errorf("after a refusal it is %s", now)
			}
		default:
			t.Errorf("%d %s", a.status, a.text)
		}
		h.predicted(s)
	}
	close(stop)
	<-stopped
	t.Logf("%d deploys served, %d were refused", served, refused)
	if refused == 0 {
		t.Error("none was refused, so nobody was restless")
	}
	put(t, path, files[1])
	h.must(s, deploy.path, `{"model_path": "models/forest.json", "force": true, "reason": "a test"}`)
	if err := os.Remove(path); err != nil { // nobody needs it any more
		t.Fatal(err)
	}
	if err := s.Kill(); err != nil {
		t.Fatal(err)
	}
	s = h.start(binary(t))
	if now := h.stands(s).String(); now != "canary with forest and forest" {
		t.Errorf("without the file it comes back as %s", now)
	}
}

// restless changes a file in place and by its name, until it is stopped.
func restless(path string, files [][]byte, stop <-chan struct{}) {
	random := rand.New(rand.NewPCG(1, 1))
	for n := 0; ; n++ {
		select {
		case <-stop:
			return
		default:
		}
		text := files[n%len(files)]
		var err error
		switch random.IntN(4) {
		case 0:
			if err = os.WriteFile(path+".new", text, 0o600); err == nil {
				err = os.Rename(path+".new", path)
			}
		case 1:
			err = os.Truncate(path, int64(random.IntN(len(text))))
		case 2:
			err = os.WriteFile(path, text, 0o600)
		default:
			err = os.Remove(path)
		}
		if err != nil && !os.IsNotExist(err) {
			panic(err) // its folder is the test's
		}
	}
}

func put(t *testing.T, path string, content []byte) {
	t.Helper()
	if err := os.WriteFile(path, content, 0o600); err != nil {
		t.Fatal(err)
	}
}

// forest is a boosted forest over five numbers, as XGBoost writes them, with random
// splits: so many full trees of so many levels.
func forest(t *testing.T, seed uint64, trees, levels int) []byte {
	t.Helper()
	random := rand.New(rand.NewPCG(seed, 1))
	all := make([]map[string]any, trees)
	for i := range all {
		all[i] = tree(random, levels)
		all[i]["id"] = i
	}
	type fields = map[string]any
	text, err := json.Marshal(fields{"version": []int{3, 0, 5}, "learner": fields{
		"attributes": fields{}, "feature_names": []string{}, "feature_types": []string{},
		"objective":           fields{"name": "binary:logistic", "reg_loss_param": fields{"scale_pos_weight": "1"}},
		"learner_model_param": fields{"base_score": "5E-1", "boost_from_average": "1", "num_class": "0", "num_feature": "5", "num_target": "1"},
		"gradient_booster": fields{"name": "gbtree", "model": fields{
			"gbtree_model_param": fields{"num_parallel_tree": "1", "num_trees": fmt.Sprint(trees)},
			"tree_info":          make([]int, trees), "trees": all,
		}},
	}})
	if err != nil {
		t.Fatal(err)
	}
	return text
}

// tree is a full one. Below node i are 2i+1 and 2i+2.
func tree(random *rand.Rand, levels int) map[string]any {
	inner, nodes := 1<<levels-1, 1<<(levels+1)-1
	left, right, parents, splits := make([]int, nodes), make([]int, nodes), make([]int, nodes), make([]int, nodes)
	conditions, zeros := make([]float64, nodes), make([]float64, nodes)
	for i := range nodes {
		parents[i], splits[i], conditions[i] = (i-1)/2, random.IntN(5), random.NormFloat64()
		if left[i], right[i] = 2*i+1, 2*i+2; i >= inner { // a leaf, with its value
			left[i], right[i], conditions[i] = -1, -1, conditions[i]/100
		}
	}
	parents[0] = 1<<31 - 1
	return map[string]any{
		"left_children": left, "right_children": right, "parents": parents,
		"split_indices": splits, "split_type": make([]int, nodes), "default_left": make([]int, nodes),
		"split_conditions": conditions, "base_weights": conditions, "loss_changes": zeros, "sum_hessian": zeros,
		"categories": []int{}, "categories_nodes": []int{}, "categories_segments": []int{}, "categories_sizes": []int{},
		"tree_param": map[string]string{"num_deleted": "0", "num_feature": "5", "num_nodes": fmt.Sprint(nodes), "size_leaf_vector": "1"},
	}
}
