package api

import (
	"context"
	"encoding/json"
	"slices"
	"time"

	"serin/internal/control"
)

// replicas are the processes that share a store.
type replicas struct {
	Replicas []replica `json:"replicas" doc:"Those that live and those that did within the last day; empty where the store is one process's alone."`
	// StoreHeard is this replica's.
	StoreHeard *time.Time `json:"store_heard" doc:"When this replica heard the store last; null before it has, and where it has it for itself."`
}

// replica is one of them, as it said of itself.
type replica struct {
	Name    string                     `json:"name" doc:"What it is called, and after the last slash what tells its processes apart."`
	Self    bool                       `json:"self" doc:"True for the one that answers."`
	Live    bool                       `json:"live" doc:"Whether it counts as living, by the store's clock."`
	Heard   time.Time                  `json:"heard" doc:"When it told of itself last, by the store's clock."`
	Address string                     `json:"address" doc:"Where it answers."`
	Version string                     `json:"version" doc:"Its serin."`
	Models  map[string]replicaStanding `json:"models" doc:"How it serves each model."`
}

// replicaStanding is how a replica serves a model.
type replicaStanding struct {
	Generation uint64 `json:"generation" doc:"The decision that is in force there; each has the next number."`
	Here       string `json:"here,omitempty" doc:"How it serves other than was decided, such as without a canary that it could not load."`
}

var replicasOperation = get("replicas", "List the replicas", "The processes that share the store, and how each serves what was decided.")

// replicas asks the store who lives.
func (r *roll) replicas(ctx context.Context, _ *struct{}) (*reply[replicas], error) {
	out := replicas{Replicas: []replica{}}
	models := r.models()
	i := slices.IndexFunc(models, func(m Model) bool { return m.Fleet != nil })
	if i < 0 {
		return &reply[replicas]{out}, nil
	}
	fleet := models[i].Fleet
	all, err := fleet.Store.Replicas(ctx)
	if err != nil {
		return nil, problem(string(control.StoreDown), "the replicas are not known while the store is not heard: "+err.Error())
	}
	for _, o := range all {
		mine := replica{Name: o.Name, Self: o.Name == fleet.Self.Name, Live: o.Live, Heard: o.Heard, Address: o.Address, Version: o.Version, Models: map[string]replicaStanding{}}
		_ = json.Unmarshal(o.Status, &mine.Models) // another version of serin may say more, or nothing
		out.Replicas = append(out.Replicas, mine)
	}
	if heard := fleet.Heard(); !heard.IsZero() {
		out.StoreHeard = &heard
	}
	return &reply[replicas]{out}, nil
}
