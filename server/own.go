package server

import (
	"context"
	"encoding/json"
	"net/http"

	"tutti/server/operation"
)

// ownOperations are those about the API itself. They have no data in them, and are
// for everybody.
func (a ownOps) operations() []operation.Operation {
	return []operation.Operation{
		operation.Of(operation.Spec{
			Method: http.MethodGet, Path: "/openapi.json", ID: "getDocument", Tag: "api", Summary: "This document",
		}, func(context.Context, *struct{}) (*operation.Answer[json.RawMessage], error) {
			return operation.Reply(json.RawMessage(a.document())), nil
		}),
	}
}
