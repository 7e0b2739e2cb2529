package main

import (
	"context"
	"encoding/xml"
	"fmt"
	"io"
	"net/http"

	"github.com/daypass/daypass"
)

// An errorDocument is S3's error answer.
type errorDocument struct {
	XMLName          xml.Name `xml:"Error"`
	Code             string   `xml:"Code"`
	Message          string   `xml:"Message"`
	CanonicalRequest string   `xml:"CanonicalRequest"`
	StringToSign     string   `xml:"StringToSign"`
	ServerTime       string   `xml:"ServerTime"`
	Expires          string   `xml:"Expires"`
	HeadersNotSigned string   `xml:"HeadersNotSigned"`
	Region           string   `xml:"Region"`
}

// maxDocument bounds an answer that is read whole, in bytes.
const maxDocument = 8 << 20

// readS3Error reads an error answer; status stands in where it has none.
func readS3Error(body io.Reader, status string) error {
	var doc errorDocument
	if err := xml.NewDecoder(io.LimitReader(body, maxDocument)).Decode(&doc); err != nil || doc.Code == "" {
		return fmt.Errorf("the server answered %s", status)
	}
	return &daypass.Error{Code: daypass.Code(doc.Code), Message: doc.Message}
}

// sweep removes files whose links have ended.
func (s *sharer) sweep(ctx context.Context) error {
	for token := ""; ; {
		query := map[string]string{"list-type": "2"}
		if token != "" {
			query["continuation-token"] = token
		}
		page, err := s.list(ctx, query)
		if err != nil {
			return err
		}
		for _, o := range page.Contents {
			end, ok := shareEnd(o.Key)
			if !ok {
				continue
			}
			if s.app.now().Before(end) {
				return nil // keys are in order of their end
			}
			resp, err := s.send(ctx, http.MethodDelete, o.Key, nil, nil, nil, 0)
			if err != nil {
				return err
			}
			resp.Body.Close()
		}
		if token = page.Next; token == "" {
			return nil
		}
	}
}

type listDocument struct {
	Contents []struct {
		Key string `xml:"Key"`
	} `xml:"Contents"`
	Next string `xml:"NextContinuationToken"`
}

func (s *sharer) list(ctx context.Context, query map[string]string) (listDocument, error) {
	var page listDocument
	resp, err := s.send(ctx, http.MethodGet, "", query, nil, nil, 0)
	if err != nil {
		return page, err
	}
	defer resp.Body.Close()
	return page, xml.NewDecoder(io.LimitReader(resp.Body, maxDocument)).Decode(&page)
}
