<?php

/**
 * What a browser is to a site: it keeps cookies, sends them back where their path fits, and hands in forms. It follows
 * no redirects, since where one leads is what is asked for.
 */
final class Browser
{
    /** @var array<string, array{name: string, path: string, value: string}> by path and name, as RFC 6265 keeps them */
    private array $cookies = [];

    /** @param string $cookies of another Browser, as cookies() gave them */
    public function __construct(private readonly string $url, string $cookies = '')
    {
        if ($cookies !== '') {
            $this->cookies = json_decode($cookies, true, 8, JSON_THROW_ON_ERROR);
        }
    }

    /** @return array{status: int, location: string, body: string} */
    public function get(string $path): array
    {
        return $this->request('GET', $path);
    }

    /**
     * @param array<string, string> $fields
     * @return array{status: int, location: string, body: string}
     */
    public function post(string $path, array $fields): array
    {
        return $this->request('POST', $path, http_build_query($fields));
    }

    /**
     * The cookies whose names begin so, as a text that a new Browser takes; empty if there are none.
     */
    public function cookies(string $prefix): string
    {
        $some = array_filter($this->cookies, fn (array $cookie) => str_starts_with($cookie['name'], $prefix));
        return $some ? json_encode($some, JSON_THROW_ON_ERROR) : '';
    }

    private function request(string $method, string $path, string $body = ''): array
    {
        $sent = [];
        foreach ($this->cookies as $cookie) {
            if (str_starts_with($path, $cookie['path'])) {
                $sent[] = $cookie['name'] . '=' . $cookie['value'];
            }
        }
        $headers = ['User-Agent: Mozilla/5.0 (peer)', 'Accept: text/html', 'Connection: close'];
        if ($sent) {
            $headers[] = 'Cookie: ' . implode('; ', $sent);
        }
        if ($method === 'POST') {
            $headers[] = 'Content-Type: application/x-www-form-urlencoded';
        }
        $text = file_get_contents($this->url . $path, false, stream_context_create(['http' => [
            'method' => $method, 'header' => $headers, 'content' => $body, 'protocol_version' => 1.1,
            'follow_location' => 0, 'ignore_errors' => true, 'timeout' => 60,
        ]]));
        if ($text === false) {
            throw new RuntimeException("$method $path: no answer");
        }
        $answer = ['status' => (int) explode(' ', $http_response_header[0])[1], 'location' => '', 'body' => $text];
        foreach (array_slice($http_response_header, 1) as $header) {
            [$name, $value] = explode(':', $header, 2);
            match (strtolower($name)) {
                'location' => $answer['location'] = trim($value),
                'set-cookie' => $this->keep(trim($value)),
                default => null,
            };
        }
        if ($answer['status'] >= 500) {
            $page = preg_replace('~<(style|script)\b.*?</\1>|<!--.*?-->~s', ' ', $text);
            $said = preg_replace('/\s+/', ' ', strip_tags($page));
            throw new RuntimeException("$method $path: {$answer['status']} " . substr($said, 0, 300));
        }
        return $answer;
    }

    private function keep(string $header): void
    {
        $parts = array_map('trim', explode(';', $header));
        [$name, $value] = explode('=', array_shift($parts), 2);
        $path = '/';
        $gone = false;
        foreach ($parts as $part) {
            [$attribute, $text] = explode('=', $part, 2) + [1 => ''];
            match (strtolower($attribute)) {
                'path' => $path = $text,
                'expires' => $gone = $gone || strtotime($text) < time(),
                'max-age' => $gone = $gone || (int) $text <= 0,
                default => null,
            };
        }
        if ($gone) {
            unset($this->cookies["$path $name"]);
        } else {
            $this->cookies["$path $name"] = ['name' => $name, 'path' => $path, 'value' => $value];
        }
    }
}
