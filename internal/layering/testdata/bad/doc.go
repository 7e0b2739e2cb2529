// Package daypass is a tree that breaks every rule.
package daypass
