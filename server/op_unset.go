package server

import (
	"net/http"

	"github.com/daypass/daypass"
	"github.com/daypass/daypass/s3"
)

// Settings of S3 that Daypass does not have are answered as S3 answers while
// nobody has set them, which is what clients ask for that read all settings of a
// bucket. What would turn one on is refused.

// unsetSettings are the actions that do so.
var unsetSettings = map[daypass.Action]operation{
	"GetBucketAccelerateConfiguration": (*Server).getAccelerate,
	"PutBucketAccelerateConfiguration": (*Server).putAccelerate,
	"GetBucketRequestPayment":          (*Server).getRequestPayment,
	"PutBucketRequestPayment":          (*Server).putRequestPayment,

	"GetBucketWebsite":        notSet(s3.NoSuchWebsite),
	"DeleteBucketWebsite":     nothingToDelete,
	"GetBucketReplication":    notSet(s3.ReplicationNotFound),
	"DeleteBucketReplication": nothingToDelete,

	"GetBucketAnalyticsConfiguration":             notSet(s3.NoSuchConfiguration),
	"DeleteBucketAnalyticsConfiguration":          notSet(s3.NoSuchConfiguration),
	"ListBucketAnalyticsConfigurations":           noneListed("ListBucketAnalyticsConfigurationResult"),
	"GetBucketIntelligentTieringConfiguration":    notSet(s3.NoSuchConfiguration),
	"DeleteBucketIntelligentTieringConfiguration": notSet(s3.NoSuchConfiguration),
	"ListBucketIntelligentTieringConfigurations":  noneListed("ListBucketIntelligentTieringConfigurationsOutput"),
	"GetBucketInventoryConfiguration":             notSet(s3.NoSuchConfiguration),
	"DeleteBucketInventoryConfiguration":          notSet(s3.NoSuchConfiguration),
	"ListBucketInventoryConfigurations":           noneListed("ListInventoryConfigurationsResult"),
	"GetBucketMetricsConfiguration":               notSet(s3.NoSuchConfiguration),
	"DeleteBucketMetricsConfiguration":            notSet(s3.NoSuchConfiguration),
	"ListBucketMetricsConfigurations":             noneListed("ListMetricsConfigurationsResult"),
}

// operationOf returns what carries out an action, nil where nothing does.
func operationOf(a daypass.Action) operation {
	for _, table := range [...]map[daypass.Action]operation{operations, settings, unsetSettings} {
		if op := table[a]; op != nil {
			return op
		}
	}
	return nil
}

// notSet is an action about a setting that no bucket has.
func notSet(code daypass.Code) operation {
	return func(_ *Server, _ *response, c *call) error {
		return &daypass.Error{Code: code, Details: []daypass.Detail{{Name: "BucketName", Value: c.bucket.Name}}}
	}
}

// nothingToDelete deletes a setting that no bucket has, with which S3 is content.
func nothingToDelete(_ *Server, w *response, _ *call) error { return w.empty(http.StatusNoContent) }

// noneListed lists configurations of which there are none.
func noneListed(root string) operation {
	return func(_ *Server, w *response, _ *call) error {
		return w.xml(http.StatusOK, s3.AppendNoConfigurations(nil, root))
	}
}

// getAccelerate tells whether uploads are accelerated (S3 API reference,
// GetBucketAccelerateConfiguration), which they never are.
func (s *Server) getAccelerate(w *response, c *call) error {
	return w.xml(http.StatusOK, s3.AppendAccelerate(nil, string(c.rules.raw[settingAccelerate])))
}

// putAccelerate keeps that uploads are not accelerated, and refuses that they
// are.
func (s *Server) putAccelerate(w *response, c *call) error {
	body, err := c.document(w, s3.MaxBucketBody)
	if err != nil {
		return err
	}
	status, err := s3.ParseAccelerate(body)
	if err != nil {
		return err
	}
	if status != s3.Suspended {
		return &daypass.Error{Code: daypass.NotImplemented, Message: "Transfer acceleration is not implemented; there are no edge locations."}
	}
	if err := s.set(c, settingAccelerate, []byte(status)); err != nil {
		return err
	}
	return w.empty(http.StatusOK)
}

// getRequestPayment tells who pays (S3 API reference, GetBucketRequestPayment).
func (s *Server) getRequestPayment(w *response, _ *call) error {
	return w.xml(http.StatusOK, s3.AppendRequestPayment(nil))
}

// putRequestPayment accepts that the owner pays, which is what there is, and
// refuses that others do.
func (s *Server) putRequestPayment(w *response, c *call) error {
	body, err := c.document(w, s3.MaxBucketBody)
	if err != nil {
		return err
	}
	payer, err := s3.ParseRequestPayment(body)
	if err != nil {
		return err
	}
	if payer != s3.BucketOwnerPays {
		return &daypass.Error{Code: daypass.NotImplemented, Message: "Requester Pays is not implemented: there is no billing."}
	}
	return w.empty(http.StatusOK)
}
