package run.wick.runtime;

import java.util.HashMap;
import java.util.Map;

/**
 * Names that AWS's serialization gives properties of its event types, where they aren't the
 * property's own: those types have no annotations. A name that is given explicitly, be it the
 * property's own, is written behind the others.
 *
 * <p>Source: compared with aws-lambda-java-serialization (TestJavaEventsAreAWSs).
 */
final class EventNames {
    private static final String EVENTS = "com.amazonaws.services.lambda.runtime.events.";
    /** Event types of the library's former versions, and of the first SDK for Java. */
    private static final String[] FORMER = {"com.amazonaws.services.dynamodbv2.model.", "com.amazonaws.services.s3.event."};

    private static final Map<String, Map<String, String>> NAMES = new HashMap<>();

    static {
        String records = "records Records";
        String arn = "eventSourceArn eventSourceARN";
        give("CloudFormationCustomResourceEvent", "requestType RequestType", "serviceToken ServiceToken",
                "physicalResourceId PhysicalResourceId", "responseUrl ResponseURL", "stackId StackId",
                "requestId RequestId", "logicalResourceId LogicalResourceId", "resourceType ResourceType",
                "resourceProperties ResourceProperties", "oldResourceProperties OldResourceProperties");
        give("CloudFrontEvent", records);
        give("CloudWatchLogsEvent", "awsLogs awslogs");
        give("CodeCommitEvent", records);
        give("CodeCommitEvent$Record", "codeCommit codecommit", arn, "userIdentityArn userIdentityARN");
        give("ConnectEvent", "details Details", "name Name");
        give("ConnectEvent$Details", "contactData ContactData", "parameters Parameters");
        give("ConnectEvent$ContactData", "attributes Attributes", "channel Channel", "contactId ContactId",
                "customerEndpoint CustomerEndpoint", "initialContactId InitialContactId",
                "initiationMethod InitiationMethod", "instanceArn InstanceARN",
                "previousContactId PreviousContactId", "queue Queue", "systemEndpoint SystemEndpoint");
        give("ConnectEvent$CustomerEndpoint", "address Address", "type Type");
        give("ConnectEvent$SystemEndpoint", "address Address", "type Type");
        give("DynamodbEvent", records);
        give("DynamodbEvent$DynamodbStreamRecord", "eventName eventName", arn);
        give("DynamodbTimeWindowEvent", arn);
        give("StreamRecord", "keys Keys", "sizeBytes SizeBytes", "sequenceNumber SequenceNumber",
                "streamViewType StreamViewType", "newImage NewImage", "oldImage OldImage",
                "approximateCreationDateTime ApproximateCreationDateTime");
        give("AttributeValue", "s S", "n N", "b B", "NULL NULL", "BOOL BOOL", "SS SS", "NS NS", "BS BS", "m M", "l L");
        give("KinesisEvent", records);
        give("KinesisEvent$KinesisEventRecord", arn);
        give("KinesisEvent$Record", "encryptionType encryptionType");
        give("KinesisTimeWindowEvent", arn);
        give("SNSEvent", records);
        give("SNSEvent$SNSRecord", "SNS Sns");
        give("SQSEvent", records);
        give("SQSEvent$SQSMessage", arn);
        give("ScheduledEvent", "detailType detail-type");
        give("SecretsManagerRotationEvent", "step Step", "secretId SecretId", "clientRequestToken ClientRequestToken");
        give("S3Event", records);
        give("S3EventNotification", records);
    }

    private EventNames() {}

    private static void give(String type, String... names) {
        Map<String, String> given = new HashMap<>();
        for (String name : names) {
            int space = name.indexOf(' ');
            given.put(name.substring(0, space), name.substring(space + 1));
        }
        NAMES.put(type, given);
    }

    /** Says whether a type is one of AWS's events, or what one is made of. */
    static boolean isEvent(Class<?> type) {
        String name = type.getName();
        for (String former : FORMER) {
            if (name.startsWith(former)) {
                return true;
            }
        }
        return name.startsWith(EVENTS);
    }

    /** The name that a type's properties have in JSON where none is explicitly given. */
    static String usual(Class<?> type, String property) {
        boolean capital = type.getName().startsWith(EVENTS + "SNSEvent");
        return capital ? Character.toUpperCase(property.charAt(0)) + property.substring(1) : property;
    }

    /** The name explicitly given to a property, null for none. */
    static String of(Class<?> type, String property) {
        for (Class<?> c = type; c != null && isEvent(c); c = c.getSuperclass()) {
            Map<String, String> given = NAMES.get(c.getName().substring(c.getName().lastIndexOf('.') + 1));
            if (given != null && given.containsKey(property)) {
                return given.get(property);
            }
        }
        return null;
    }
}
