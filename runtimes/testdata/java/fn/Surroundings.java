package fn;

import java.io.File;
import java.io.FileReader;
import java.io.BufferedReader;
import java.io.IOException;
import java.io.InputStreamReader;
import java.io.Reader;
import java.nio.file.Files;
import java.nio.file.Paths;
import java.util.ArrayList;
import java.util.Arrays;
import java.util.List;
import java.util.TimeZone;

/** What a process has from its start. */
public class Surroundings {
    public static List<Object> of(Object event) throws Exception {
        String root = System.getenv("LAMBDA_TASK_ROOT");
        return Arrays.asList(
                System.getenv("MINE"),
                TimeZone.getDefault().getID(),
                line(new FileReader("note.txt")),
                Files.readAllLines(Paths.get("note.txt")).get(0),
                new File("note.txt").getAbsolutePath().equals(root + "/note.txt"),
                System.getProperty("user.dir").equals(root),
                Runtime.getRuntime().maxMemory() >> 20 < 128,
                System.getenv().keySet().stream().filter(name -> name.contains("WICK")).count());
    }

    /** What a child process has. */
    public static List<String> ofChild(Object event) throws Exception {
        String script = "echo $MINE; cat note.txt; echo; env | grep -c WICK; [ -S /proc/self/fd/3 ] && echo socket";
        Process child = Runtime.getRuntime().exec(new String[] {"/bin/sh", "-c", script});
        List<String> lines = new ArrayList<>();
        try (BufferedReader in = new BufferedReader(new InputStreamReader(child.getInputStream(), "UTF-8"))) {
            for (String line = in.readLine(); line != null; line = in.readLine()) {
                lines.add(line);
            }
        }
        return lines;
    }

    private static String line(Reader from) throws IOException {
        try (BufferedReader in = new BufferedReader(from)) {
            return in.readLine();
        }
    }
}
