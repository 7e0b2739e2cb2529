package policy

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
)

// A node is a JSON value that remembers the order of its members and has no
// two of the same name.
type node struct {
	kind    nodeKind
	text    string // of a string, number or boolean
	members []member
	items   []node
}

type nodeKind uint8

const (
	nullNode nodeKind = iota
	stringNode
	numberNode
	boolNode
	objectNode
	arrayNode
)

type member struct {
	name  string
	value node
}

// maxDepth is more than any policy needs: document, statements, statement,
// condition, operator, values.
const maxDepth = 8

var errDepth = errors.New("nested too deeply")

// parseJSON reads valid JSON.
func parseJSON(document []byte) (node, error) {
	d := json.NewDecoder(bytes.NewReader(document))
	d.UseNumber()
	return readNode(d, maxDepth)
}

func readNode(d *json.Decoder, depth int) (node, error) {
	token, err := d.Token()
	if err != nil {
		return node{}, err
	}
	switch t := token.(type) {
	case json.Delim:
		if depth == 0 {
			return node{}, errDepth
		}
		if t == '{' {
			return readObject(d, depth-1)
		}
		return readArray(d, depth-1)
	case string:
		return node{kind: stringNode, text: t}, nil
	case json.Number:
		return node{kind: numberNode, text: t.String()}, nil
	case bool:
		return node{kind: boolNode, text: fmt.Sprint(t)}, nil
	}
	return node{kind: nullNode}, nil
}

func readObject(d *json.Decoder, depth int) (node, error) {
	n := node{kind: objectNode}
	seen := make(map[string]bool)
	for d.More() {
		token, err := d.Token()
		if err != nil {
			return node{}, err
		}
		name, _ := token.(string)
		if seen[name] {
			return node{}, fmt.Errorf("%q is there twice", name)
		}
		seen[name] = true
		value, err := readNode(d, depth)
		if err != nil {
			return node{}, err
		}
		n.members = append(n.members, member{name, value})
	}
	_, err := d.Token()
	return n, err
}

func readArray(d *json.Decoder, depth int) (node, error) {
	n := node{kind: arrayNode}
	for d.More() {
		item, err := readNode(d, depth)
		if err != nil {
			return node{}, err
		}
		n.items = append(n.items, item)
	}
	_, err := d.Token()
	return n, err
}

// list returns n as a list: a scalar stands for a list of one.
func (n node) list() []node {
	if n.kind == arrayNode {
		return n.items
	}
	return []node{n}
}

// strings returns the strings of a string or a list of strings.
func (n node) strings() ([]string, bool) {
	var out []string
	for _, item := range n.list() {
		if item.kind != stringNode {
			return nil, false
		}
		out = append(out, item.text)
	}
	return out, true
}

// scalars is strings with numbers and booleans, whose quotation marks are
// optional (IAM User Guide, "Grammar of the IAM JSON policy language").
func (n node) scalars() ([]string, bool) {
	var out []string
	for _, item := range n.list() {
		switch item.kind {
		case stringNode, numberNode, boolNode:
			out = append(out, item.text)
		default:
			return nil, false
		}
	}
	return out, true
}
