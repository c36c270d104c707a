<?php

use Illuminate\Database\Migrations\Migration;
use Illuminate\Database\Schema\Blueprint;
use Illuminate\Support\Facades\Schema;

return new class extends Migration
{
    public function up()
    {
        Schema::table('users', fn (Blueprint $table) => $table->string('mobile', 20)->nullable()->unique());
    }

    public function down()
    {
        Schema::table('users', fn (Blueprint $table) => $table->dropColumn('mobile'));
    }
};
