package run.wick.bridge;

import com.amazonaws.services.lambda.runtime.CognitoIdentity;
import java.util.Map;

/** Who called, as the caller's SDK has it from Cognito. */
final class Identity implements CognitoIdentity {
    private final String identityId;
    private final String poolId;

    Identity(Map<?, ?> fields) {
        identityId = (String) fields.get("cognitoIdentityId");
        poolId = (String) fields.get("cognitoIdentityPoolId");
    }

    @Override
    public String getIdentityId() {
        return identityId;
    }

    @Override
    public String getIdentityPoolId() {
        return poolId;
    }
}
