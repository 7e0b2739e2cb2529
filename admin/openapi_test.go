package admin

import (
	"encoding/json"
	"reflect"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/client"
)

// A description is what the tests read of openapi.json.
type description struct {
	OpenAPI    string                          `json:"openapi"`
	Paths      map[string]map[string]operation `json:"paths"`
	Components struct {
		Schemas   map[string]schema `json:"schemas"`
		Responses struct {
			Error struct {
				Content content        `json:"content"`
				Codes   map[string]int `json:"x-codes"`
			} `json:"Error"`
		} `json:"responses"`
	} `json:"components"`
}

type operation struct {
	OperationID string `json:"operationId"`
	Permission  string `json:"x-permission"`
	Parameters  []struct {
		Name     string `json:"name"`
		In       string `json:"in"`
		Required bool   `json:"required"`
	} `json:"parameters"`
	RequestBody *struct {
		Required bool    `json:"required"`
		Content  content `json:"content"`
	} `json:"requestBody"`
	Responses map[string]struct {
		Ref     string  `json:"$ref"`
		Content content `json:"content"`
	} `json:"responses"`
}

type content struct {
	JSON *struct {
		Schema schema `json:"schema"`
	} `json:"application/json"`
}

// name is the name of the schema in a content; empty for none.
func (c content) name() string {
	if c.JSON == nil {
		return ""
	}
	return strings.TrimPrefix(c.JSON.Schema.Ref, refPrefix)
}

const refPrefix = "#/components/schemas/"

type schema struct {
	Ref        string            `json:"$ref"`
	Type       string            `json:"type"`
	Format     string            `json:"format"`
	Properties map[string]schema `json:"properties"`
	Required   []string          `json:"required"`
	Items      *schema           `json:"items"`
	// Additional is a schema, or false where further fields are refused.
	Additional json.RawMessage `json:"additionalProperties"`
}

func readDescription(t *testing.T) *description {
	t.Helper()
	var d description
	if err := json.Unmarshal(openAPI, &d); err != nil {
		t.Fatal(err)
	}
	if !strings.HasPrefix(d.OpenAPI, "3.1.") {
		t.Errorf("openapi is %q", d.OpenAPI)
	}
	return &d
}

// TestDescriptionOfRoutes compares the table of routes with the description,
// in both directions.
func TestDescriptionOfRoutes(t *testing.T) {
	d := readDescription(t)
	described, ids := 0, map[string]bool{}
	for _, methods := range d.Paths {
		described += len(methods)
		for _, op := range methods {
			ids[op.OperationID] = true
		}
	}
	h := &handler{}
	if len(h.routes()) != described || len(ids) != described {
		t.Errorf("%d routes, %d operations, %d ids of operations", len(h.routes()), described, len(ids))
	}
	for _, rt := range h.routes() {
		op, ok := d.Paths[rt.path][strings.ToLower(rt.method)]
		if !ok {
			t.Errorf("%s %s is not described", rt.method, rt.path)
			continue
		}
		if diff := cmp.Diff(routeFacts(&rt), operationFacts(&op)); diff != "" {
			t.Errorf("%s %s (-route +description):\n%s", rt.method, rt.path, diff)
		}
	}
}

// facts are what a route and its description must agree about.
type facts struct {
	Permission, In, Status, Out string
	Params                      []string
}

func routeFacts(rt *route) facts {
	f := facts{In: typeName(rt.in), Status: strconv.Itoa(rt.status), Out: typeName(rt.out)}
	if rt.action != "" {
		f.Permission = actionPrefix + rt.action
	}
	for _, m := range regexp.MustCompile(`\{(\w+)\}`).FindAllStringSubmatch(rt.path, -1) {
		f.Params = append(f.Params, "path "+m[1])
	}
	for _, p := range rt.params {
		f.Params = append(f.Params, "query "+p)
	}
	slices.Sort(f.Params)
	return f
}

func operationFacts(op *operation) facts {
	f := facts{Permission: op.Permission}
	for _, p := range op.Parameters {
		if p.Required != (p.In == "path") {
			p.Name += " (required?)"
		}
		f.Params = append(f.Params, p.In+" "+p.Name)
	}
	slices.Sort(f.Params)
	if op.RequestBody != nil {
		f.In = op.RequestBody.Content.name()
	}
	for status, r := range op.Responses {
		if r.Ref == "#/components/responses/Error" && (status == "4XX" || status == "5XX") {
			continue
		}
		f.Status += status
		f.Out += r.Content.name()
	}
	return f
}

// typeName is the name of the type that a route takes or answers.
func typeName(v any) string {
	if v == nil {
		return ""
	}
	if t := reflect.TypeOf(v); t != reflect.TypeFor[json.RawMessage]() {
		return t.Name()
	}
	return ""
}

// TestDescriptionOfTypes compares the client's types, as encoding/json sees
// them, with the schemas: every field, its type, and whether it is always
// there.
func TestDescriptionOfTypes(t *testing.T) {
	d := readDescription(t)
	types := map[string]reflect.Type{}
	for _, rt := range (&handler{}).routes() {
		for _, v := range []any{rt.in, rt.out} {
			collectTypes(types, reflect.TypeOf(v))
		}
	}
	collectTypes(types, reflect.TypeFor[client.ErrorBody]())
	for name, typ := range types {
		s, ok := d.Components.Schemas[name]
		if !ok {
			t.Errorf("the type %s is not described", name)
			continue
		}
		want := schemaOf(typ)
		if diff := cmp.Diff(want.Properties, bare(s.Properties)); diff != "" {
			t.Errorf("%s (-type +description):\n%s", name, diff)
		}
		if diff := cmp.Diff(want.Required, s.Required); diff != "" {
			t.Errorf("required of %s (-type +description):\n%s", name, diff)
		}
	}
	for name := range d.Components.Schemas {
		if types[name] == nil {
			t.Errorf("the schema %s is of no type that a route uses", name)
		}
	}
	for _, rt := range (&handler{}).routes() {
		if name := typeName(rt.in); name != "" && string(d.Components.Schemas[name].Additional) != "false" {
			t.Errorf("%s takes no further fields, and its schema does not say so", name)
		}
	}
}

// collectTypes finds the structs of the API that a type is made of.
func collectTypes(into map[string]reflect.Type, t reflect.Type) {
	if t == nil {
		return
	}
	switch t.Kind() {
	case reflect.Slice, reflect.Map, reflect.Pointer:
		collectTypes(into, t.Elem())
	case reflect.Struct:
		if t == reflect.TypeFor[time.Time]() {
			return
		}
		into[t.Name()] = t
		for _, f := range reflect.VisibleFields(t) {
			if !f.Anonymous && len(f.Index) == 1 {
				collectTypes(into, f.Type)
			}
		}
	}
}

// schemaOf is the schema that a type should have, without descriptions.
func schemaOf(t reflect.Type) schema {
	switch {
	case t == reflect.TypeFor[time.Time]():
		return schema{Type: "string", Format: "date-time"}
	case t.Kind() == reflect.Pointer:
		return schemaOf(t.Elem())
	case t.Kind() == reflect.Struct:
		return structSchema(t)
	case t.Kind() == reflect.Slice:
		items := refTo(t.Elem())
		return schema{Type: "array", Items: &items}
	case t.Kind() == reflect.Map:
		return schema{Type: "object", Additional: json.RawMessage(`{"type":"string"}`)}
	case t.Kind() == reflect.Bool:
		return schema{Type: "boolean"}
	case t.Kind() == reflect.Int64:
		return schema{Type: "integer", Format: "int64"}
	case t.Kind() == reflect.Float64:
		return schema{Type: "number"}
	case t.Kind() == reflect.Int:
		return schema{Type: "integer"}
	}
	return schema{Type: "string"}
}

func structSchema(t reflect.Type) schema {
	s := schema{Type: "object", Properties: map[string]schema{}}
	for _, f := range reflect.VisibleFields(t) {
		if f.Anonymous {
			continue
		}
		name, options, _ := strings.Cut(f.Tag.Get("json"), ",")
		s.Properties[name] = refTo(f.Type)
		if options == "" {
			s.Required = append(s.Required, name)
		}
	}
	slices.Sort(s.Required)
	return s
}

// refTo is the schema of a field: a reference where its type has a schema of
// its own.
func refTo(t reflect.Type) schema {
	for t.Kind() == reflect.Pointer {
		t = t.Elem()
	}
	if t.Kind() == reflect.Struct && t != reflect.TypeFor[time.Time]() {
		return schema{Ref: refPrefix + t.Name()}
	}
	return schemaOf(t)
}

// bare leaves out what a type cannot tell.
func bare(in map[string]schema) map[string]schema {
	out := make(map[string]schema, len(in))
	for name, s := range in {
		if s.Additional != nil {
			var value schema
			json.Unmarshal(s.Additional, &value)
			s.Additional = json.RawMessage(`{"type":"` + value.Type + `"}`)
		}
		out[name] = s
	}
	return out
}

// TestDescriptionOfErrors compares the table of errors with the description.
func TestDescriptionOfErrors(t *testing.T) {
	described := readDescription(t).Components.Responses.Error
	want := map[string]int{}
	for _, f := range faults() {
		want[string(f.code)] = f.status
	}
	if diff := cmp.Diff(want, described.Codes); diff != "" {
		t.Errorf("codes (-table +description):\n%s", diff)
	}
	if got := described.Content.name(); got != "ErrorBody" {
		t.Errorf("errors are described as %q", got)
	}
	if faultOf(&daypass.Error{Code: noSuchRevocation}).status != 404 {
		t.Error("a revocation that is not there is not 404")
	}
}

// TestPermissionsAreUnique keeps one permission for one endpoint, so that a
// policy can tell them apart.
func TestPermissionsAreUnique(t *testing.T) {
	seen := map[string]string{}
	for _, rt := range (&handler{}).routes() {
		if other := seen[rt.action]; other != "" {
			t.Errorf("%s %s needs %s, as %s does", rt.method, rt.path, rt.action, other)
		}
		seen[rt.action] = rt.method + " " + rt.path
	}
}
