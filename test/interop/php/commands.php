<?php

/**
 * Answers the commands of a peer, as peer_test.go describes them: one JSON object a line on stdin, one on stdout. It
 * returns when stdin ends.
 *
 * @param array<string, callable(array): array> $commands by the name in "do"; what they return stands in the answer
 */
function answer_commands(array $commands): void
{
    while (($line = fgets(STDIN)) !== false) {
        try {
            $command = json_decode($line, true, 8, JSON_THROW_ON_ERROR);
            $do = $commands[$command['do']] ?? throw new DomainException("unknown command {$command['do']}");
            $answer = ['ok' => true] + $do($command);
        } catch (Throwable $e) {
            fwrite(STDERR, $e . "\n");
            $answer = ['ok' => false, 'error' => $e->getMessage()];
        }
        fwrite(STDOUT, json_encode($answer, JSON_THROW_ON_ERROR | JSON_UNESCAPED_UNICODE) . "\n");
    }
}

/** The environment variable, which must be set, though it may be empty. */
function environment(string $name): string
{
    $value = getenv($name);
    return $value !== false ? $value : throw new RuntimeException("$name is not set");
}

/**
 * Runs a program to its end and returns its stdout. What it says on stderr goes to ours.
 *
 * @param list<string> $command
 */
function run(array $command, string $folder, string $input = ''): string
{
    $process = proc_open($command, [['pipe', 'r'], ['pipe', 'w'], STDERR], $pipes, $folder)
        ?: throw new RuntimeException("can't start $command[0]");
    fwrite($pipes[0], $input); // all programs here read before they write
    fclose($pipes[0]);
    $output = stream_get_contents($pipes[1]);
    fclose($pipes[1]);
    $code = proc_close($process);
    if ($code !== 0) {
        throw new RuntimeException(implode(' ', $command) . " ended with $code: $output");
    }
    return $output;
}

// A warning is a failure of the peer; notices of what a later PHP will drop are the framework's own affair.
error_reporting(E_ALL & ~E_DEPRECATED);
ini_set('display_errors', 'stderr');
set_error_handler(static function (int $level, string $message, string $file, int $line): bool {
    if ((error_reporting() & $level) === 0) {
        return false;
    }
    throw new ErrorException($message, 0, $level, $file, $line);
});
