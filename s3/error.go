package s3

import (
	"errors"
	"net/http"

	"github.com/daypass/daypass"
)

// Codes that only the endpoint uses; the others are in package daypass. Names
// are those of the S3 API reference, "Error responses".
const (
	AccessControlListNotSupported daypass.Code = "AccessControlListNotSupported"
	AccessForbidden               daypass.Code = "AccessForbidden"
	BadRequest                    daypass.Code = "BadRequest"
	IllegalLocationConstraint     daypass.Code = "IllegalLocationConstraintException"
	InvalidBucketACL              daypass.Code = "InvalidBucketAclWithObjectOwnership"
	InvalidLocationConstraint     daypass.Code = "InvalidLocationConstraint"
	InvalidPartNumber             daypass.Code = "InvalidPartNumber"
	InvalidStorageClass           daypass.Code = "InvalidStorageClass"
	InvalidURI                    daypass.Code = "InvalidURI"
	MaxMessageLengthExceeded      daypass.Code = "MaxMessageLengthExceeded"
	MetadataTooLarge              daypass.Code = "MetadataTooLarge"
	SignatureDoesNotMatch         daypass.Code = "SignatureDoesNotMatch"
	// Codes of the actions on objects beyond the core.
	EntityTooSmall       daypass.Code = "EntityTooSmall"
	InvalidObjectState   daypass.Code = "InvalidObjectState"
	InvalidPart          daypass.Code = "InvalidPart"
	InvalidPartOrder     daypass.Code = "InvalidPartOrder"
	InvalidTag           daypass.Code = "InvalidTag"
	MalformedPOSTRequest daypass.Code = "MalformedPOSTRequest"
	MaxPostPreDataLength daypass.Code = "MaxPostPreDataLengthExceededError"
	NoSuchUpload         daypass.Code = "NoSuchUpload"

	// Codes of the settings of buckets and of who may do what.
	IllegalVersioning         daypass.Code = "IllegalVersioningConfigurationException"
	MalformedACL              daypass.Code = "MalformedACLError"
	MalformedPolicy           daypass.Code = "MalformedPolicy"
	MissingContentMD5         daypass.Code = "MissingContentMD5"
	NoSuchBucketPolicy        daypass.Code = "NoSuchBucketPolicy"
	NoSuchCORSConfiguration   daypass.Code = "NoSuchCORSConfiguration"
	NoSuchPublicAccessBlock   daypass.Code = "NoSuchPublicAccessBlockConfiguration"
	NoSuchTagSet              daypass.Code = "NoSuchTagSet"
	OwnershipControlsNotFound daypass.Code = "OwnershipControlsNotFoundError"
	UnresolvableGrant         daypass.Code = "UnresolvableGrantByEmailAddress"
	InvalidBucketState        daypass.Code = "InvalidBucketState"
	OperationAborted          daypass.Code = "OperationAborted"
	// CrossLocationLogging is spelled as S3 answers it.
	CrossLocationLogging       daypass.Code = "CrossLocationLoggingProhibitted"
	InvalidTargetBucket        daypass.Code = "InvalidTargetBucketForLogging"
	InvalidEncryptionAlgorithm daypass.Code = "InvalidEncryptionAlgorithmError"
	NoSuchEncryption           daypass.Code = "ServerSideEncryptionConfigurationNotFoundError"
	MissingRequestBody         daypass.Code = "MissingRequestBodyError"
	NoSuchObjectLock           daypass.Code = "NoSuchObjectLockConfiguration"
	ObjectLockNotFound         daypass.Code = "ObjectLockConfigurationNotFoundError"
	NoSuchConfiguration        daypass.Code = "NoSuchConfiguration"
	NoSuchLifecycle            daypass.Code = "NoSuchLifecycleConfiguration"
	NoSuchWebsite              daypass.Code = "NoSuchWebsiteConfiguration"
	ReplicationNotFound        daypass.Code = "ReplicationConfigurationNotFoundError"
)

type errorRow struct {
	status  int
	message string
}

// errorTable has a row for every code that may be answered.
var errorTable = map[daypass.Code]errorRow{
	InvalidEncryptionAlgorithm:          {400, "The Encryption request you specified is not valid. Supported value: AES256."},
	NoSuchEncryption:                    {404, "The server side encryption configuration was not found"},
	daypass.AccessDenied:                {403, "Access Denied"},
	daypass.BadDigest:                   {400, "The Content-MD5 you specified did not match what we received."},
	daypass.BucketAlreadyExists:         {409, "The requested bucket name is not available. The bucket namespace is shared by all users of the system. Please select a different name and try again."},
	daypass.BucketAlreadyOwnedByYou:     {409, "Your previous request to create the named bucket succeeded and you already own it."},
	daypass.BucketNotEmpty:              {409, "The bucket you tried to delete is not empty"},
	daypass.EntityTooLarge:              {400, "Your proposed upload exceeds the maximum allowed size"},
	daypass.IncompleteBody:              {400, "You did not provide the number of bytes specified by the Content-Length HTTP header"},
	daypass.InsufficientStorage:         {507, "There is not enough space to store the object."},
	daypass.InternalError:               {500, "We encountered an internal error. Please try again."},
	daypass.InvalidAccessKeyID:          {403, "The AWS Access Key Id you provided does not exist in our records."},
	daypass.InvalidArgument:             {400, "Invalid Argument"},
	daypass.InvalidBucketName:           {400, "The specified bucket is not valid."},
	daypass.InvalidDigest:               {400, "The Content-MD5 you specified was invalid."},
	daypass.InvalidRange:                {416, "The requested range is not satisfiable"},
	daypass.InvalidRequest:              {400, "Invalid Request"},
	daypass.KeyTooLongError:             {400, "Your key is too long"},
	daypass.MalformedXML:                {400, "The XML you provided was not well-formed or did not validate against our published schema"},
	daypass.MethodNotAllowed:            {405, "The specified method is not allowed against this resource."},
	daypass.MissingContentLength:        {411, "You must provide the Content-Length HTTP header."},
	daypass.NoSuchBucket:                {404, "The specified bucket does not exist"},
	daypass.NoSuchKey:                   {404, "The specified key does not exist."},
	daypass.NoSuchVersion:               {404, "The specified version does not exist."},
	daypass.NotImplemented:              {501, "A header you provided implies functionality that is not implemented"},
	daypass.NotModified:                 {304, "Not Modified"},
	daypass.PreconditionFailed:          {412, "At least one of the pre-conditions you specified did not hold"},
	daypass.RequestTimeout:              {400, "Your socket connection to the server was not read from or written to within the timeout period. Idle connections will be closed."},
	daypass.ServiceUnavailable:          {503, "Service is unable to handle request."},
	daypass.SlowDown:                    {503, "Please reduce your request rate."},
	daypass.XAmzContentSHA256Mismatch:   {400, "The provided 'x-amz-content-sha256' header does not match what was computed."},
	AccessControlListNotSupported:       {400, "The bucket does not allow ACLs"},
	AccessForbidden:                     {403, "CORSResponse: This CORS request is not allowed. This is usually because the evalution of Origin, request method / Access-Control-Request-Method or Access-Control-Request-Headers are not whitelisted by the resource's CORS spec."},
	BadRequest:                          {400, "Bad Request"},
	IllegalLocationConstraint:           {400, "The location constraint is incompatible for the region specific endpoint this request was sent to."},
	InvalidBucketACL:                    {400, "Bucket cannot have ACLs set with ObjectOwnership's BucketOwnerEnforced setting"},
	InvalidLocationConstraint:           {400, "The specified location-constraint is not valid"},
	InvalidPartNumber:                   {416, "The requested partnumber is not satisfiable"},
	InvalidStorageClass:                 {400, "The storage class you specified is not valid"},
	InvalidURI:                          {400, "Couldn't parse the specified URI."},
	MaxMessageLengthExceeded:            {400, "Your request was too big."},
	MetadataTooLarge:                    {400, "Your metadata headers exceed the maximum allowed metadata size"},
	SignatureDoesNotMatch:               {403, "The request signature we calculated does not match the signature you provided. Check your key and signing method."},
	"AuthorizationHeaderMalformed":      {400, "The authorization header is malformed"},
	"AuthorizationQueryParametersError": {400, "Query-string authentication parameters are not valid"},
	EntityTooSmall:                      {400, "Your proposed upload is smaller than the minimum allowed size"},
	InvalidObjectState:                  {403, "The operation is not valid for the object's storage class"},
	InvalidPart:                         {400, "One or more of the specified parts could not be found.  The part may not have been uploaded, or the specified entity tag may not match the part's entity tag."},
	InvalidPartOrder:                    {400, "The list of parts was not in ascending order. Parts must be ordered by part number."},
	InvalidTag:                          {400, "The tag provided was not a valid tag. This error can occur if the tag did not pass input validation."},
	MalformedPOSTRequest:                {400, "The body of your POST request is not well-formed multipart/form-data."},
	MaxPostPreDataLength:                {400, "Your POST request fields preceding the upload file were too large."},
	NoSuchUpload:                        {404, "The specified upload does not exist. The upload ID may be invalid, or the upload may have been aborted or completed."},
	IllegalVersioning:                   {400, "The Versioning element must be specified"},
	MalformedACL:                        {400, "The XML you provided was not well-formed or did not validate against our published schema"},
	MalformedPolicy:                     {400, "Policies must be valid JSON and the first byte must be '{'"},
	MissingContentMD5:                   {400, "Missing required header for this request: Content-MD5"},
	NoSuchBucketPolicy:                  {404, "The bucket policy does not exist"},
	NoSuchCORSConfiguration:             {404, "The CORS configuration does not exist"},
	NoSuchPublicAccessBlock:             {404, "The public access block configuration was not found"},
	NoSuchTagSet:                        {404, "The TagSet does not exist"},
	OwnershipControlsNotFound:           {404, "The bucket ownership controls were not found"},
	CrossLocationLogging:                {403, "Cross S3 location logging not allowed. "},
	InvalidTargetBucket:                 {400, "The target bucket for logging does not exist, is not owned by you, or does not have the appropriate grants for the log-delivery group."},
	UnresolvableGrant:                   {400, "The e-mail address you provided does not match any account on record."},
	InvalidBucketState:                  {409, "The request is not valid for the current state of the bucket."},
	OperationAborted:                    {409, "A conflicting conditional operation is currently in progress against this resource. Please try again."},
	MissingRequestBody:                  {400, "Request Body is empty"},
	NoSuchObjectLock:                    {404, "The specified object does not have a ObjectLock configuration"},
	ObjectLockNotFound:                  {404, "Object Lock configuration does not exist for this bucket"},
	NoSuchConfiguration:                 {404, "The specified configuration does not exist."},
	NoSuchLifecycle:                     {404, "The lifecycle configuration does not exist"},
	NoSuchWebsite:                       {404, "The specified bucket does not have a website configuration"},
	ReplicationNotFound:                 {404, "The replication configuration was not found"},
	"ExpiredToken":                      {400, "The provided token has expired."},
	"InvalidChunkSizeError":             {403, "Only the last chunk is allowed to have a size less than 8192 bytes"},
	"InvalidPolicyDocument":             {400, "The content of the form does not meet the conditions specified in the policy document."},
	"InvalidToken":                      {400, "The provided token is malformed or otherwise invalid."},
	"MalformedTrailerError":             {400, "The request contained trailing data that was not well-formed or did not conform to our published schema."},
	"MissingSecurityHeader":             {400, "Your request was missing a required header"},
	"RequestTimeTooSkewed":              {403, "The difference between the request time and the current time is too large."},
}

// Status returns the HTTP status of a code, 500 for one that is not in the
// table.
func Status(code daypass.Code) int {
	if row, ok := errorTable[code]; ok {
		return row.status
	}
	return http.StatusInternalServerError
}

// Message returns the standard message of a code, that of InternalError for
// one that is not in the table.
func Message(code daypass.Code) string {
	if row, ok := errorTable[code]; ok {
		return row.message
	}
	return errorTable[daypass.InternalError].message
}

// ErrorOf returns what a client may be told of an error: code, message and
// details. An error that the table does not know becomes InternalError, of
// which the client learns nothing more. err must not be nil.
func ErrorOf(err error) *daypass.Error {
	var e *daypass.Error
	if !errors.As(err, &e) {
		return &daypass.Error{Code: daypass.InternalError, Message: Message(daypass.InternalError)}
	}
	if _, known := errorTable[e.Code]; !known || e.Code == daypass.InternalError {
		return &daypass.Error{Code: daypass.InternalError, Message: Message(daypass.InternalError)}
	}
	out := &daypass.Error{Code: e.Code, Message: e.Message, Details: e.Details}
	if out.Message == "" {
		out.Message = Message(e.Code)
	}
	return out
}

// AppendError appends the XML body of an error that ErrorOf returned: code,
// message, the details in their order, RequestId, HostId.
func AppendError(dst []byte, e *daypass.Error, requestID, hostID string) []byte {
	w := writer{b: dst, replace: true}
	w.declare()
	w.open("Error")
	w.text("Code", string(e.Code))
	w.text("Message", e.Message)
	for _, d := range e.Details {
		w.text(d.Name, d.Value)
	}
	w.text("RequestId", requestID)
	w.text("HostId", hostID)
	w.close("Error")
	return w.b
}
