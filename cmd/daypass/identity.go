package main

import (
	"os"
	"path/filepath"
	"strings"
)

// nodeIDFile is the file of a data directory that tells it from all others.
const nodeIDFile = "node.id"

// shownID is how many characters of the id of a data directory a name has that
// nobody chose.
const shownID = 6

// A nodeIdentity tells a node from the others.
type nodeIdentity struct {
	// name is for people: in logs and metrics. Two may have the same by mistake.
	name string
	// holder is what the node holds leases under. It is never another's, since
	// one process at a time uses a data directory, and a copy of that, with the
	// disk of a machine, runs on a machine of another name.
	holder string
}

// identify finds out who this node is. One that has everything in its data
// directory is alone, so its successor after a crash may go on with its work at
// once; so may that of any other, on the same data directory.
func (n *node) identify() error {
	if !n.config.backend.apart() && n.config.backend.node == "" {
		n.identity = nodeIdentity{name: machineName(), holder: oneNode}
		return nil
	}
	id, err := n.newID()
	if err != nil {
		return err
	}
	if id, err = keptText(filepath.Join(n.config.data, nodeIDFile), id); err != nil {
		return err
	}
	n.identity.name = n.config.backend.node
	if n.identity.name == "" {
		n.identity.name = machineName() + "-" + string(id[:min(len(id), shownID)])
	}
	n.identity.holder = machineName() + "/" + n.identity.name + "/" + string(id)
	n.log = n.log.With("node", n.identity.name)
	return nil
}

// machineName is the name of this machine without its domain.
func machineName() string {
	name, err := os.Hostname()
	if name, _, _ = strings.Cut(name, "."); err != nil || name == "" {
		return "node"
	}
	return name
}
