// A function under AWS's X-Ray SDK for Node.js, as the journey of traces deploys it.
const AWSXRay = require("aws-xray-sdk-core");

exports.handler = async (event) => {
  const work = AWSXRay.getSegment().addNewSubsegment("work");
  work.addAnnotation("customer", event.customer ?? "nobody");
  work.addMetadata("note", { deep: [1, 2.5] });
  work.addNewSubsegment("inner").close();
  if (event.fail) {
    const error = new RangeError("no such luck");
    work.close(error);
    throw error;
  }
  work.close();
  return { header: process.env._X_AMZN_TRACE_ID };
};
