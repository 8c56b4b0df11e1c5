package run.wick.bridge;

import com.amazonaws.services.lambda.runtime.Client;
import com.amazonaws.services.lambda.runtime.ClientContext;
import java.util.Map;

/** What the caller's application says of itself. */
final class CallerContext implements ClientContext {
    private final Client client;
    private final Map<String, String> custom;
    private final Map<String, String> env;

    @SuppressWarnings("unchecked")
    CallerContext(Map<?, ?> fields) {
        Map<?, ?> application = (Map<?, ?>) fields.get("client");
        client = application == null ? null : new Application(application);
        custom = (Map<String, String>) fields.get("custom");
        env = (Map<String, String>) fields.get("env");
    }

    @Override
    public Client getClient() {
        return client;
    }

    @Override
    public Map<String, String> getCustom() {
        return custom;
    }

    @Override
    public Map<String, String> getEnvironment() {
        return env;
    }

    private static final class Application implements Client {
        private final Map<?, ?> fields;

        Application(Map<?, ?> fields) {
            this.fields = fields;
        }

        @Override
        public String getInstallationId() {
            return (String) fields.get("installation_id");
        }

        @Override
        public String getAppTitle() {
            return (String) fields.get("app_title");
        }

        @Override
        public String getAppVersionName() {
            return (String) fields.get("app_version_name");
        }

        @Override
        public String getAppVersionCode() {
            return (String) fields.get("app_version_code");
        }

        @Override
        public String getAppPackageName() {
            return (String) fields.get("app_package_name");
        }
    }
}
