<?php

/**
 * PHP's own web server, on a free port of loopback, for as long as this process lives: the kernel kills it with us,
 * however we end.
 */
final class WebServer
{
    public readonly string $url;

    /** @var resource */
    private $process;

    /**
     * @param string                $root   the document root
     * @param string|null           $script that answers what is no file; null: index.php of the folder
     * @param array<string, string> $environment beside ours
     */
    public function __construct(string $root, ?string $script, string $log, array $environment = [])
    {
        // The kernel picks the port, and the first line of the log tells it.
        $command = ['setpriv', '--pdeathsig', 'KILL', 'php', '-d', 'display_errors=0', '-d', 'log_errors=1',
            '-d', 'sendmail_path=/bin/true', '-d', 'opcache.enable_cli=1', '-S', '127.0.0.1:0', '-t', $root];
        if ($script !== null) {
            $command[] = $script;
        }
        $this->process = proc_open($command, [['file', '/dev/null', 'r'], ['file', $log, 'w'], ['file', $log, 'a']],
            $pipes, $root, $environment + getenv()) ?: throw new RuntimeException("can't start PHP's web server");
        for ($deadline = microtime(true) + 60; microtime(true) < $deadline; usleep(20_000)) {
            if (preg_match('~\((http://127\.0\.0\.1:\d+)\) started~', file_get_contents($log), $found)) {
                $this->url = $found[1];
                return;
            }
            if (!proc_get_status($this->process)['running']) {
                break;
            }
        }
        throw new RuntimeException("PHP's web server does not start: " . file_get_contents($log));
    }
}
