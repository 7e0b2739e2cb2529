package admin

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"

	"github.com/daypass/daypass"
)

// choose returns the route for r among those of its path.
func choose(w http.ResponseWriter, r *http.Request, routes []route) (route, error) {
	if len(routes) == 0 {
		return route{}, &daypass.Error{Op: "admin", Code: noSuchEndpoint}
	}
	var allowed []string
	for _, rt := range routes {
		if rt.method == r.Method {
			return rt, nil
		}
		allowed = append(allowed, rt.method)
	}
	w.Header().Set("Allow", strings.Join(allowed, ", "))
	return route{}, &daypass.Error{Op: "admin", Code: daypass.MethodNotAllowed}
}

// checkParams refuses query parameters that the route does not take, and
// those given twice: a filter that is ignored would mislead.
func checkParams(r *http.Request, known []string) error {
	q, err := url.ParseQuery(r.URL.RawQuery)
	if err != nil {
		return invalid("the query string is malformed")
	}
	for name, values := range q {
		if !slices.Contains(known, name) || len(values) > 1 {
			return invalid("the query parameter %q is unknown here or given twice", name)
		}
	}
	return nil
}

// read returns the body of r.
func read(w http.ResponseWriter, r *http.Request, rt route) ([]byte, error) {
	body, err := io.ReadAll(http.MaxBytesReader(w, r.Body, maxBody))
	var tooLarge *http.MaxBytesError
	var known *daypass.Error
	switch {
	case errors.As(err, &tooLarge):
		return nil, &daypass.Error{Op: "admin.read", Code: daypass.EntityTooLarge, Err: err}
	case errors.As(err, &known):
		return nil, err
	case err != nil:
		return nil, &daypass.Error{Op: "admin.read", Code: daypass.IncompleteBody, Err: err}
	case len(body) > 0 && rt.in == nil:
		return nil, invalid("this request takes no body")
	}
	return body, nil
}

// decode reads one JSON object without unknown fields from body into out.
func decode(body []byte, out any) error {
	d := json.NewDecoder(bytes.NewReader(body))
	d.DisallowUnknownFields()
	err := d.Decode(out)
	if err == nil {
		var rest json.RawMessage
		if d.Decode(&rest) != io.EOF {
			err = errors.New("there is something after it")
		}
	}
	if err != nil {
		return invalid("the body must be one JSON object: %v", err)
	}
	return nil
}

func invalid(format string, args ...any) error {
	return &daypass.Error{Op: "admin", Code: daypass.InvalidRequest, Message: fmt.Sprintf(format, args...)}
}

// respond writes an answer. Answers may hold secrets, so nobody may keep them.
func respond(w http.ResponseWriter, a answer) {
	w.Header().Set("Cache-Control", "no-store")
	if a.body == nil {
		w.WriteHeader(a.status)
		return
	}
	w.Header().Set("Content-Type", "application/json")
	w.Header().Set("X-Content-Type-Options", "nosniff")
	w.WriteHeader(a.status)
	e := json.NewEncoder(w)
	e.SetEscapeHTML(false) // URLs are to be read
	e.Encode(a.body)       // fails only when the client has gone
}
