package tracing

import (
	"context"
	"crypto/rand"

	"go.opentelemetry.io/otel/sdk/trace"
	oteltrace "go.opentelemetry.io/otel/trace"
)

// A cautiousSampler continues the traces of clients who are not trusted without
// letting them choose what is recorded. Neither the sampled flag nor the trace
// id is theirs to decide with: a sampler that takes a share of all trace ids
// would take each that begins with the right bytes.
type cautiousSampler struct{ trace.Sampler }

// doubtful is the context key of requests whose traceparent is not trusted.
type doubtful struct{}

// ShouldSample implements trace.Sampler.
func (s cautiousSampler) ShouldSample(p trace.SamplingParameters) trace.SamplingResult {
	parent := oteltrace.SpanContextFromContext(p.ParentContext)
	if !parent.IsRemote() || p.ParentContext.Value(doubtful{}) == nil {
		return s.Sampler.ShouldSample(p)
	}
	// crypto/rand does not fail.
	_, _ = rand.Read(p.TraceID[:])
	p.ParentContext = context.Background()
	result := s.Sampler.ShouldSample(p)
	result.Tracestate = parent.TraceState()
	return result
}
