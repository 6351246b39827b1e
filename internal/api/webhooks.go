package api

import (
	"context"
	"net/http"
	"net/url"
	"reflect"

	"github.com/danielgtaylor/huma/v2"

	"serin/internal/notify"
)

// describeWebhooks adds the herald's calls to the description.
func describeWebhooks(api huma.API) {
	answer := func(of reflect.Type) map[string]*huma.Response {
		schema := api.OpenAPI().Components.Schemas.Schema(of, true, of.Name())
		return map[string]*huma.Response{"200": {Description: "OK", Content: map[string]*huma.MediaType{"application/json": {Schema: schema}}}}
	}
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "webhooks", Method: http.MethodGet, Path: "/admin/webhooks", Summary: "List the web hooks", Tags: []string{"admin"},
		Description: "How far each was told, what does not arrive, and what was given up: its dead letters.",
		Responses:   answer(reflect.TypeFor[notify.HookStates]()),
	})
	text := func() *huma.Schema { return &huma.Schema{Type: huma.TypeString} }
	api.OpenAPI().AddOperation(&huma.Operation{
		OperationID: "replay-webhook", Method: http.MethodPost, Path: "/admin/webhooks/{name}/replay", Summary: "Tell dead letters again", Tags: []string{"admin"},
		Description: "Tells a web hook its dead letters again, or one of them, under the same ids; what waits for its next try is tried now.",
		Parameters: []*huma.Param{
			{Name: "name", In: "path", Required: true, Description: "The web hook.", Schema: text()},
			{Name: "id", In: "query", Description: "A single letter's id.", Schema: text()},
		},
		Responses: answer(reflect.TypeFor[notify.Replayed]()),
	})
}

// Webhooks tells how the server's web hooks stand.
func (c *Client) Webhooks(ctx context.Context) (notify.HookStates, error) {
	return call[notify.HookStates](ctx, c, patience, http.MethodGet, "/admin/webhooks", nil)
}

// Replay has a web hook told its dead letters again, or that with an id.
func (c *Client) Replay(ctx context.Context, name, id string) (notify.Replayed, error) {
	path := "/admin/webhooks/" + url.PathEscape(name) + "/replay"
	if id != "" {
		path += "?id=" + url.QueryEscape(id)
	}
	return call[notify.Replayed](ctx, c, patience, http.MethodPost, path, nil)
}
