package fn;

import com.amazonaws.services.lambda.runtime.*;
import com.amazonaws.services.lambda.runtime.events.*;

/** AWS's event types. */
public class Events {
    public static class Sqs implements RequestHandler<SQSEvent, SQSEvent> {
        public SQSEvent handleRequest(SQSEvent e, Context c) {
            if (!e.getRecords().get(0).getEventSourceArn().startsWith("arn:")) throw new IllegalStateException();
            return e;
        }
    }
    public static class S3 implements RequestHandler<S3Event, String> {
        public String handleRequest(S3Event e, Context c) {
            var r = e.getRecords().get(0);
            return r.getS3().getBucket().getName() + "/" + r.getS3().getObject().getKey() + " " + r.getEventTime().getYear() + " " + r.getS3().getObject().getSizeAsLong() + " " + r.getResponseElements().getxAmzId2();
        }
    }
    public static class Sns implements RequestHandler<SNSEvent, String> {
        public String handleRequest(SNSEvent e, Context c) { return e.getRecords().get(0).getSNS().getMessage() + e.getRecords().get(0).getSNS().getTimestamp().getMillis(); }
    }
    public static class Scheduled implements RequestHandler<ScheduledEvent, String> {
        public String handleRequest(ScheduledEvent e, Context c) { return e.getDetailType() + e.getTime().getYear(); }
    }
    public static class Dynamo implements RequestHandler<DynamodbEvent, String> {
        public String handleRequest(DynamodbEvent e, Context c) {
            var r = e.getRecords().get(0);
            return r.getEventName() + r.getDynamodb().getNewImage().get("Id").getN() + r.getDynamodb().getKeys().get("L").getL().get(0).getS() + r.getDynamodb().getApproximateCreationDateTime().getTime();
        }
    }
    public static class Kinesis implements RequestHandler<KinesisEvent, String> {
        public String handleRequest(KinesisEvent e, Context c) { return new String(e.getRecords().get(0).getKinesis().getData().array()) + e.getRecords().get(0).getKinesis().getApproximateArrivalTimestamp().getTime(); }
    }
    public static class Api implements RequestHandler<APIGatewayV2HTTPEvent, APIGatewayV2HTTPResponse> {
        public APIGatewayV2HTTPResponse handleRequest(APIGatewayV2HTTPEvent e, Context c) {
            return APIGatewayV2HTTPResponse.builder().withStatusCode(200).withBody(e.getRequestContext().getHttp().getMethod() + e.getIsBase64Encoded()).build();
        }
    }
}
