
/*
 * Copyright (C) the ngx_s3jobs_module authors
 */


#include <ngx_config.h>
#include <ngx_core.h>
#include "ngx_s3jobs_fields.h"


/* the SDKs, and so the AWS CLI, know some elements by another name */

#define ngx_s3jobs_named(name, json, quote, type, open, fields)              \
    { ngx_s3jobs_name(name),                                                 \
      { sizeof(",\"" json "\":" quote) - 1,                                  \
        (u_char *) ",\"" json "\":" quote NGX_S3JOBS_FIELD_ZEROS },          \
      NGX_S3JOBS_FIELD_##type, open, fields }

#define ngx_s3jobs_field(name, quote, type, open, fields)                    \
    ngx_s3jobs_named(name, name, quote, type, open, fields)

#define ngx_s3jobs_string(name)                                              \
    ngx_s3jobs_field(name, "\"", STRING, 0, NULL)

#define ngx_s3jobs_number(name)                                              \
    ngx_s3jobs_field(name, "", NUMBER, 0, NULL)

#define ngx_s3jobs_boolean(name)                                             \
    ngx_s3jobs_field(name, "", BOOLEAN, 0, NULL)

#define ngx_s3jobs_map(name)                                                 \
    ngx_s3jobs_field(name, "", MAP, '{', NULL)

#define ngx_s3jobs_object_as(name, json, fields)                             \
    ngx_s3jobs_named(name, json, "", OBJECT, '{', ngx_s3jobs_fields_##fields)

#define ngx_s3jobs_object(name, fields)                                      \
    ngx_s3jobs_object_as(name, name, fields)

#define ngx_s3jobs_list(name, item)                                          \
    ngx_s3jobs_field(name, "", LIST, '[', ngx_s3jobs_item_##item)


#define ngx_s3jobs_last                                                      \
    { ngx_null_string, ngx_null_string, NGX_S3JOBS_FIELD_LAST, 0, NULL }

#define ngx_s3jobs_table(table, ...)                                         \
    const ngx_s3jobs_field_t  ngx_s3jobs_fields_##table[] = {                \
        __VA_ARGS__,                                                         \
        ngx_s3jobs_last                                                      \
    };                                                                       \
                                                                             \
    _Static_assert(sizeof(ngx_s3jobs_fields_##table)                         \
                   / sizeof(ngx_s3jobs_field_t)                              \
                   <= NGX_S3JOBS_FIELDS_MAX + 1,                             \
                   "more fields in a table than NGX_S3JOBS_FIELDS_MAX")


/* an item of a list has no name */

#define ngx_s3jobs_items(item)                                               \
    static const ngx_s3jobs_field_t  ngx_s3jobs_item_##item[] = {            \
        { ngx_null_string, ngx_string(","), NGX_S3JOBS_FIELD_OBJECT, '{',    \
          ngx_s3jobs_fields_##item }                                         \
    }


const ngx_s3jobs_field_t  ngx_s3jobs_fields_none[] = {
    ngx_s3jobs_last
};


/* in the entries of a map */

ngx_s3jobs_table(entry,
    ngx_s3jobs_string("key"),
    ngx_s3jobs_string("value")
);


static const ngx_s3jobs_field_t  ngx_s3jobs_item_string[] = {
    { ngx_null_string, ngx_string(",\""), NGX_S3JOBS_FIELD_STRING, 0, NULL }
};


/* ListJobs */

static ngx_s3jobs_table(timers,
    ngx_s3jobs_number("ElapsedTimeInActiveSeconds")
);


static ngx_s3jobs_table(progress,
    ngx_s3jobs_number("TotalNumberOfTasks"),
    ngx_s3jobs_number("NumberOfTasksSucceeded"),
    ngx_s3jobs_number("NumberOfTasksFailed"),
    ngx_s3jobs_object("Timers", timers)
);


static ngx_s3jobs_table(listed,
    ngx_s3jobs_string("JobId"),
    ngx_s3jobs_string("Description"),
    ngx_s3jobs_string("Operation"),
    ngx_s3jobs_number("Priority"),
    ngx_s3jobs_string("Status"),
    ngx_s3jobs_string("CreationTime"),
    ngx_s3jobs_string("TerminationDate"),
    ngx_s3jobs_object("ProgressSummary", progress)
);


static ngx_s3jobs_table(list_jobs,
    ngx_s3jobs_field("Jobs", "", JOBS, 0, ngx_s3jobs_fields_listed),
    ngx_s3jobs_field("NextToken", "", TOKEN, 0, NULL)
);


const ngx_s3jobs_document_t  ngx_s3jobs_list_jobs = {
    ngx_s3jobs_name("ListJobsResult"),
    ngx_s3jobs_fields_list_jobs,
    ngx_string("{\"Jobs\":["),
    ngx_string("]"),
    "not a ListJobsResult",
    "second Jobs",
    NULL,
    NGX_S3JOBS_PLAIN
};


/* DescribeJob */

static ngx_s3jobs_table(spec,
    ngx_s3jobs_string("Format"),
    ngx_s3jobs_list("Fields", string)
);


static ngx_s3jobs_table(object,
    ngx_s3jobs_string("ObjectArn"),
    ngx_s3jobs_string("ObjectVersionId"),
    ngx_s3jobs_string("ETag")
);


static ngx_s3jobs_table(manifest,
    ngx_s3jobs_object("Spec", spec),
    ngx_s3jobs_object("Location", object)
);


static ngx_s3jobs_table(lambda,
    ngx_s3jobs_string("FunctionArn"),
    ngx_s3jobs_string("InvocationSchemaVersion"),
    ngx_s3jobs_map("UserArguments")
);


static ngx_s3jobs_table(grantee,
    ngx_s3jobs_string("TypeIdentifier"),
    ngx_s3jobs_string("Identifier"),
    ngx_s3jobs_string("DisplayName")
);


static ngx_s3jobs_table(grant,
    ngx_s3jobs_object("Grantee", grantee),
    ngx_s3jobs_string("Permission")
);


ngx_s3jobs_items(grant);


static ngx_s3jobs_table(tag,
    ngx_s3jobs_string("Key"),
    ngx_s3jobs_string("Value")
);


ngx_s3jobs_items(tag);


static ngx_s3jobs_table(metadata,
    ngx_s3jobs_string("CacheControl"),
    ngx_s3jobs_string("ContentDisposition"),
    ngx_s3jobs_string("ContentEncoding"),
    ngx_s3jobs_string("ContentLanguage"),
    ngx_s3jobs_map("UserMetadata"),
    ngx_s3jobs_number("ContentLength"),
    ngx_s3jobs_string("ContentMD5"),
    ngx_s3jobs_string("ContentType"),
    ngx_s3jobs_string("HttpExpiresDate"),
    ngx_s3jobs_boolean("RequesterCharged"),
    ngx_s3jobs_string("SSEAlgorithm")
);


static ngx_s3jobs_table(copy,
    ngx_s3jobs_string("TargetResource"),
    ngx_s3jobs_string("CannedAccessControlList"),
    ngx_s3jobs_list("AccessControlGrants", grant),
    ngx_s3jobs_string("MetadataDirective"),
    ngx_s3jobs_string("ModifiedSinceConstraint"),
    ngx_s3jobs_object("NewObjectMetadata", metadata),
    ngx_s3jobs_list("NewObjectTagging", tag),
    ngx_s3jobs_string("RedirectLocation"),
    ngx_s3jobs_boolean("RequesterPays"),
    ngx_s3jobs_string("StorageClass"),
    ngx_s3jobs_string("UnModifiedSinceConstraint"),
    ngx_s3jobs_string("SSEAwsKmsKeyId"),
    ngx_s3jobs_string("TargetKeyPrefix"),
    ngx_s3jobs_string("ObjectLockLegalHoldStatus"),
    ngx_s3jobs_string("ObjectLockMode"),
    ngx_s3jobs_string("ObjectLockRetainUntilDate"),
    ngx_s3jobs_boolean("BucketKeyEnabled"),
    ngx_s3jobs_string("ChecksumAlgorithm")
);


static ngx_s3jobs_table(owner,
    ngx_s3jobs_string("ID"),
    ngx_s3jobs_string("DisplayName")
);


static ngx_s3jobs_table(acl,
    ngx_s3jobs_object("Owner", owner),
    ngx_s3jobs_list("Grants", grant)
);


static ngx_s3jobs_table(policy,
    ngx_s3jobs_object("AccessControlList", acl),
    ngx_s3jobs_string("CannedAccessControlList")
);


static ngx_s3jobs_table(put_acl,
    ngx_s3jobs_object("AccessControlPolicy", policy)
);


static ngx_s3jobs_table(tagging,
    ngx_s3jobs_list("TagSet", tag)
);


static ngx_s3jobs_table(restore,
    ngx_s3jobs_number("ExpirationInDays"),
    ngx_s3jobs_string("GlacierJobTier")
);


static ngx_s3jobs_table(status,
    ngx_s3jobs_string("Status")
);


static ngx_s3jobs_table(legal_hold,
    ngx_s3jobs_object("LegalHold", status)
);


static ngx_s3jobs_table(until,
    ngx_s3jobs_string("RetainUntilDate"),
    ngx_s3jobs_string("Mode")
);


static ngx_s3jobs_table(retention,
    ngx_s3jobs_boolean("BypassGovernanceRetention"),
    ngx_s3jobs_object("Retention", until)
);


static ngx_s3jobs_table(checksum,
    ngx_s3jobs_string("ChecksumAlgorithm"),
    ngx_s3jobs_string("ChecksumType")
);


/* one of them, which may be empty */

static ngx_s3jobs_table(operation,
    ngx_s3jobs_object("LambdaInvoke", lambda),
    ngx_s3jobs_object("S3PutObjectCopy", copy),
    ngx_s3jobs_object("S3PutObjectAcl", put_acl),
    ngx_s3jobs_object("S3PutObjectTagging", tagging),
    ngx_s3jobs_object("S3DeleteObjectTagging", none),
    ngx_s3jobs_object("S3InitiateRestoreObject", restore),
    ngx_s3jobs_object("S3PutObjectLegalHold", legal_hold),
    ngx_s3jobs_object("S3PutObjectRetention", retention),
    ngx_s3jobs_object("S3ReplicateObject", none),
    ngx_s3jobs_object("S3ComputeObjectChecksum", checksum)
);


static ngx_s3jobs_table(failure,
    ngx_s3jobs_string("FailureCode"),
    ngx_s3jobs_string("FailureReason")
);


ngx_s3jobs_items(failure);


static ngx_s3jobs_table(report,
    ngx_s3jobs_string("Bucket"),
    ngx_s3jobs_string("Format"),
    ngx_s3jobs_boolean("Enabled"),
    ngx_s3jobs_string("Prefix"),
    ngx_s3jobs_string("ReportScope"),
    ngx_s3jobs_string("ExpectedBucketOwner")
);


static ngx_s3jobs_table(kms,
    ngx_s3jobs_string("KeyId")
);


static ngx_s3jobs_table(encryption,
    ngx_s3jobs_object_as("SSE-S3", "SSES3", none),
    ngx_s3jobs_object_as("SSE-KMS", "SSEKMS", kms)
);


static ngx_s3jobs_table(manifest_output,
    ngx_s3jobs_string("ExpectedManifestBucketOwner"),
    ngx_s3jobs_string("Bucket"),
    ngx_s3jobs_string("ManifestPrefix"),
    ngx_s3jobs_object("ManifestEncryption", encryption),
    ngx_s3jobs_string("ManifestFormat")
);


static ngx_s3jobs_table(key_name,
    ngx_s3jobs_list("MatchAnyPrefix", string),
    ngx_s3jobs_list("MatchAnySuffix", string),
    ngx_s3jobs_list("MatchAnySubstring", string)
);


static ngx_s3jobs_table(object_kms,
    ngx_s3jobs_string("KmsKeyArn"),
    ngx_s3jobs_boolean("BucketKeyEnabled")
);


static ngx_s3jobs_table(object_encryption,
    ngx_s3jobs_object_as("NOT-SSE", "NOTSSE", none),
    ngx_s3jobs_object_as("SSE-S3", "SSES3", none),
    ngx_s3jobs_object_as("SSE-KMS", "SSEKMS", object_kms),
    ngx_s3jobs_object_as("DSSE-KMS", "DSSEKMS", object_kms),
    ngx_s3jobs_object_as("SSE-C", "SSEC", none)
);


ngx_s3jobs_items(object_encryption);


static ngx_s3jobs_table(filter,
    ngx_s3jobs_boolean("EligibleForReplication"),
    ngx_s3jobs_string("CreatedAfter"),
    ngx_s3jobs_string("CreatedBefore"),
    ngx_s3jobs_list("ObjectReplicationStatuses", string),
    ngx_s3jobs_object("KeyNameConstraint", key_name),
    ngx_s3jobs_number("ObjectSizeGreaterThanBytes"),
    ngx_s3jobs_number("ObjectSizeLessThanBytes"),
    ngx_s3jobs_list("MatchAnyStorageClass", string),
    ngx_s3jobs_list("MatchAnyObjectEncryption", object_encryption)
);


static ngx_s3jobs_table(generator,
    ngx_s3jobs_string("ExpectedBucketOwner"),
    ngx_s3jobs_string("SourceBucket"),
    ngx_s3jobs_object("ManifestOutputLocation", manifest_output),
    ngx_s3jobs_object("Filter", filter),
    ngx_s3jobs_boolean("EnableManifestOutput")
);


static ngx_s3jobs_table(generators,
    ngx_s3jobs_object("S3JobManifestGenerator", generator)
);


static ngx_s3jobs_table(generated,
    ngx_s3jobs_string("Format"),
    ngx_s3jobs_object("Location", object)
);


static ngx_s3jobs_table(described,
    ngx_s3jobs_string("JobId"),
    ngx_s3jobs_boolean("ConfirmationRequired"),
    ngx_s3jobs_string("Description"),
    ngx_s3jobs_string("JobArn"),
    ngx_s3jobs_string("Status"),
    ngx_s3jobs_object("Manifest", manifest),
    ngx_s3jobs_object("Operation", operation),
    ngx_s3jobs_number("Priority"),
    ngx_s3jobs_object("ProgressSummary", progress),
    ngx_s3jobs_string("StatusUpdateReason"),
    ngx_s3jobs_list("FailureReasons", failure),
    ngx_s3jobs_object("Report", report),
    ngx_s3jobs_string("CreationTime"),
    ngx_s3jobs_string("TerminationDate"),
    ngx_s3jobs_string("RoleArn"),
    ngx_s3jobs_string("SuspendedDate"),
    ngx_s3jobs_string("SuspendedCause"),
    ngx_s3jobs_object("ManifestGenerator", generators),
    ngx_s3jobs_object("GeneratedManifestDescriptor", generated)
);


static ngx_s3jobs_table(describe_job,
    ngx_s3jobs_field("Job", "", JOB, 0, ngx_s3jobs_fields_described)
);


const ngx_s3jobs_document_t  ngx_s3jobs_describe_job = {
    ngx_s3jobs_name("DescribeJobResult"),
    ngx_s3jobs_fields_describe_job,
    ngx_string("{\"Job\":"),
    ngx_null_string,
    "not a DescribeJobResult",
    "second Job",
    "no Job",
    0
};
