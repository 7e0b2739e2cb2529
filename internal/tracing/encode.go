package tracing

import (
	"math"
	"strings"
	"time"

	"go.opentelemetry.io/otel/attribute"
	"go.opentelemetry.io/otel/codes"
	sdktrace "go.opentelemetry.io/otel/sdk/trace"
	"go.opentelemetry.io/otel/trace"
	"google.golang.org/protobuf/encoding/protowire"
)

// The messages of OTLP (opentelemetry-proto, trace/v1/trace.proto,
// common/v1/common.proto and collector/trace/v1/trace_service.proto). The
// generated types need reflection on messages at run time, which costs each
// server memory whether it traces or not.

// A message is a protobuf message that is being written.
type message []byte

func (m message) bytes(field protowire.Number, b []byte) message {
	return protowire.AppendBytes(protowire.AppendTag(m, field, protowire.BytesType), b)
}

// text writes a string field, unless it is empty. A collector refuses a message
// with a string that is no UTF-8, and clients send what they like.
func (m message) text(field protowire.Number, s string) message {
	if s == "" {
		return m
	}
	return protowire.AppendString(protowire.AppendTag(m, field, protowire.BytesType), strings.ToValidUTF8(s, "\uFFFD"))
}

// varint writes a number, unless it is zero.
func (m message) varint(field protowire.Number, n uint64) message {
	if n == 0 {
		return m
	}
	return protowire.AppendVarint(protowire.AppendTag(m, field, protowire.VarintType), n)
}

func (m message) instant(field protowire.Number, t time.Time) message {
	return protowire.AppendFixed64(protowire.AppendTag(m, field, protowire.Fixed64Type), uint64(t.UnixNano()))
}

// encode returns the ExportTraceServiceRequest for spans, which all have the
// same resource and scope.
func encode(resource message, scope message, spans []sdktrace.ReadOnlySpan) []byte {
	ofScope := message(nil).bytes(1, scope)
	for _, s := range spans {
		ofScope = ofScope.bytes(2, encodeSpan(s))
	}
	ofResource := message(nil).bytes(1, resource).bytes(2, ofScope)
	return message(nil).bytes(1, ofResource)
}

// encodeAttributes returns a Resource with attributes.
func encodeAttributes(attrs []attribute.KeyValue) (m message) {
	for _, a := range attrs {
		m = m.bytes(1, encodeAttribute(a))
	}
	return m
}

// encodeScope returns an InstrumentationScope.
func encodeScope(name, version string) message { return message(nil).text(1, name).text(2, version) }

// Flags of a span beside those of W3C (SpanFlags).
const (
	knowsRemote = 0x100
	isRemote    = 0x200
)

// encodeSpan returns a Span. Events and links are left out: no span here has
// any.
func encodeSpan(s sdktrace.ReadOnlySpan) message {
	id, parent := s.SpanContext(), s.Parent()
	trace16, span8 := id.TraceID(), id.SpanID()
	m := message(nil).bytes(1, trace16[:]).bytes(2, span8[:]).text(3, id.TraceState().String())
	flags := uint32(id.TraceFlags()) | knowsRemote
	if parent.HasSpanID() {
		of := parent.SpanID()
		m = m.bytes(4, of[:])
		if parent.IsRemote() {
			flags |= isRemote
		}
	}
	m = m.text(5, s.Name()).varint(6, kindOf(s.SpanKind())).instant(7, s.StartTime()).instant(8, s.EndTime())
	for _, a := range s.Attributes() {
		m = m.bytes(9, encodeAttribute(a))
	}
	m = m.varint(10, uint64(s.DroppedAttributes()))
	if status := s.Status(); status.Code == codes.Error {
		m = m.bytes(15, message(nil).text(2, status.Description).varint(3, 2))
	}
	return protowire.AppendFixed32(protowire.AppendTag(m, 16, protowire.Fixed32Type), flags)
}

// kindOf is the SpanKind of OTLP.
func kindOf(k trace.SpanKind) uint64 {
	if k == trace.SpanKindServer {
		return 2
	}
	return 1 // internal
}

// encodeAttribute returns a KeyValue.
func encodeAttribute(a attribute.KeyValue) message {
	var value message
	switch a.Value.Type() {
	case attribute.BOOL:
		value = protowire.AppendVarint(protowire.AppendTag(nil, 2, protowire.VarintType), protowire.EncodeBool(a.Value.AsBool()))
	case attribute.INT64:
		value = protowire.AppendVarint(protowire.AppendTag(nil, 3, protowire.VarintType), uint64(a.Value.AsInt64()))
	case attribute.FLOAT64:
		value = protowire.AppendFixed64(protowire.AppendTag(nil, 4, protowire.Fixed64Type), math.Float64bits(a.Value.AsFloat64()))
	default:
		value = protowire.AppendString(protowire.AppendTag(nil, 1, protowire.BytesType), strings.ToValidUTF8(a.Value.String(), "\uFFFD"))
	}
	return message(nil).text(1, string(a.Key)).bytes(2, value)
}

// rejectedOf reads an ExportTraceServiceResponse: how many spans the collector
// did not take, and why.
func rejectedOf(b []byte) (spans int64, why string) {
	partial := fieldOf(b, 1)
	for len(partial) > 0 {
		field, kind, n := protowire.ConsumeTag(partial)
		if n < 0 {
			return spans, why
		}
		partial = partial[n:]
		switch {
		case field == 1 && kind == protowire.VarintType:
			v, _ := protowire.ConsumeVarint(partial)
			spans = int64(v)
		case field == 2 && kind == protowire.BytesType:
			v, _ := protowire.ConsumeBytes(partial)
			why = string(v)
		}
		if n = protowire.ConsumeFieldValue(field, kind, partial); n < 0 {
			return spans, why
		}
		partial = partial[n:]
	}
	return spans, why
}

// fieldOf returns a message inside of a message, nil where there is none.
func fieldOf(b []byte, want protowire.Number) []byte {
	for len(b) > 0 {
		field, kind, n := protowire.ConsumeTag(b)
		if n < 0 {
			return nil
		}
		b = b[n:]
		if field == want && kind == protowire.BytesType {
			v, _ := protowire.ConsumeBytes(b)
			return v
		}
		if n = protowire.ConsumeFieldValue(field, kind, b); n < 0 {
			return nil
		}
		b = b[n:]
	}
	return nil
}
