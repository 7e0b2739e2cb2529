//go:build race

package allocbudget

// Instrumented says that the race detector adds allocations of its own.
const Instrumented = true
